"""Six emulated servos on a bus, as the joints of one arm in rad."""

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS, MAX_EFFORT, Floats

from . import calibration_path
from .joint_ticks import load_joint_ticks
from .sensed import Sensed
from .servo_bus import ServoBus
from .sts3215 import Sts3215

STALL_CURRENT = 2.7  # A
SUPPLY = {'follower': 12.0, 'leader': 7.4}  # V


class ServoArm:
    """The servos of the 'follower' or 'leader' and their bus at `port` (not started).

    q: start angles (6,) rad. backlash: play between servo and joint, rad. stiction: rad; a change
    of the goal by less does not move the motor.
    """

    def __init__(
        self, arm: str, port: str, q: Floats, backlash: float = 0.0, stiction: float = 0.0
    ):
        table = load_joint_ticks(calibration_path(arm))
        ticks = [table[name] for name in JOINTS]
        self._supply = SUPPLY[arm]
        self._zero = np.array([t.encoder(0.0) for t in ticks])
        self.rad_per_tick: Floats = np.array([t.rad_per_tick for t in ticks])
        self.servos = [
            Sts3215(
                t.id,
                Sensed(t.encoder(angle), voltage=self._supply),
                t.homing_offset,
                t.range_min,
                t.range_max,
            )
            for t, angle in zip(ticks, q)
        ]
        self.bus = ServoBus(port, self.servos)
        self._play, self._stiction = backlash / 2, stiction
        self._geared = np.array(q, np.float64)  # angle on the servo's side of the backlash
        self._moved_to = np.array(q, np.float64)

    def set_joints(self, position: Floats, velocity: Floats, load: Floats) -> None:
        """Set the joints' state for the servos, each (6,): rad, rad/s, share of stall torque."""
        self._geared = np.clip(self._geared, position - self._play, position + self._play)
        rows = zip(
            self.servos,
            (self._geared / self.rad_per_tick + self._zero).tolist(),
            (velocity / self.rad_per_tick).tolist(),
            load.tolist(),
        )
        for servo, at, speed, share in rows:
            servo.sensed = Sensed(at, speed, share, abs(share) * STALL_CURRENT, self._supply)

    def torque_on(self) -> npt.NDArray[np.bool_]:
        """Return which motors have torque, (6,) bool."""
        return np.array([servo.torque_on for servo in self.servos])

    def goal(self) -> Floats:
        """Return the goal positions of the motors, (6,) rad."""
        goal = (np.array([s.goal for s in self.servos]) - self._zero) * self.rad_per_tick
        stuck = np.abs(goal - self._moved_to) < self._stiction
        self._moved_to = np.where(stuck, self._moved_to, goal)
        return self._moved_to

    def speed(self) -> Floats:
        """Return the speed limits of the motors, (6,) rad/s."""
        return np.array([servo.speed_limit for servo in self.servos]) * self.rad_per_tick

    def acceleration(self) -> Floats:
        """Return the limits of the motors' acceleration, (6,) rad/s^2; inf: none."""
        return np.array([servo.acceleration for servo in self.servos]) * self.rad_per_tick

    def torque(self) -> Floats:
        """Return the torque limits of the motors, (6,) as shares of the stall torque."""
        return np.array([servo.torque_limit for servo in self.servos])


def load_share(torque: Floats) -> Floats:
    """Convert joint torques in N.m to shares of the stall torque."""
    return torque / MAX_EFFORT
