"""The scripted operator's hand on the leader: from a desired velocity to a pull on its joints."""

import math

import numpy as np

from so101_description.action_space import PITCH_JOINTS
from so101_description.joints import LOWER, UPPER, Floats
from so101_description.kinematics import Kinematics

from .expert import OperatorConfig

# Pitch and roll of a leader whose wrist has no effect, rad.
_DOWN = np.array([math.pi / 2, 0.0])


def wrist(q: Floats) -> Floats:
    """Return pitch below the horizontal and roll (2,) of a pose (6,) rad."""
    return np.array([q[PITCH_JOINTS].sum(), q[4]])


class LeaderInput:
    """Converts the desired tool velocity to joint angles that the leader is pulled to."""

    LEAD = 0.03  # m that the pull may be ahead of the leader
    TURN_LEAD = 0.2  # rad, the same of pitch and roll

    def __init__(self, kinematics: Kinematics, leader: Floats, config: OperatorConfig):
        """Start at the measured leader, (6,) rad."""
        self._kinematics, self._config = kinematics, config
        self._q = np.array(leader, np.float64)
        self._tool = kinematics.tool_pose(leader)[0]
        self._wrist = wrist(leader) if config.turns else _DOWN

    def turn(
        self, follower: Floats, period: float, leader: Floats, roll: float | None = None
    ) -> None:
        """Turn the leader's wrist by what the follower's still has to turn; both (6,) rad.

        roll: to which it turns, rad; None: that of the start.
        """
        config, here = self._config, wrist(leader)
        to = np.array([config.pitch, config.roll if roll is None else roll])
        rate = config.gain * (to - wrist(follower))
        rate = np.clip(rate, -config.turn_speed, config.turn_speed)
        ahead = self._wrist + rate * period - here
        self._wrist = here + np.clip(ahead, -self.TURN_LEAD, self.TURN_LEAD)

    def move(self, velocity: Floats, gripper_rate: float, period: float, leader: Floats) -> Floats:
        """Return joint angles (6,) rad to pull the leader to, one `period` s later."""
        velocity = np.where(self._config.moves, velocity, 0.0)
        here = self._kinematics.tool_pose(leader)[0]
        lead = self._tool + np.asarray(velocity) * period - here
        self._tool = here + lead * min(1.0, self.LEAD / max(1e-9, float(np.linalg.norm(lead))))
        pitch, roll = self._wrist.tolist()
        gripper = np.clip(self._q[5] + gripper_rate * period, LOWER[5], UPPER[5])
        self._q = self._kinematics.solve(self._tool, pitch, roll, float(gripper), self._q).q
        return self._q
