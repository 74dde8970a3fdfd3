"""The simulated leader arm: six joints, their servos, and a simulated hand that may pull them.

It needs no physics engine: pull, servos and gear friction determine the pose. One thread calls
`step`; another thread may call `pull`.
"""

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINT_LIMITS, REST, Floats

HAND_SPEED = 3.0  # rad/s at which a hand moves a joint without torque
MAX_DEFLECTION = 0.12  # rad that a pull moves a joint away from its servo's goal position
FRICTION = 0.004  # rad before its goal position at which a servo stops


class Leader:
    """Angles (rad) and velocities (rad/s) of the leader's joints, in the order of JOINTS."""

    def __init__(self, joint_limits: str = 'model') -> None:
        self._lower, self._upper = JOINT_LIMITS[joint_limits]
        self.position = REST.copy()
        self.velocity = np.zeros(6)
        self.load = np.zeros(6)  # share of the stall torque that the servos exert against the hand
        self._servo = REST.copy()  # where each servo would hold its joint without a pull
        self._pull: Floats | None = None

    def pull(self, position: Floats | None) -> None:
        """Pull the joints to (6,) rad; None: release them."""
        self._pull = None if position is None else np.clip(position, self._lower, self._upper)

    def step(
        self, period: float, torque_on: npt.NDArray[np.bool_], goal: Floats, speed: Floats
    ) -> None:
        """Advance by `period` s. torque_on: (6,) bool; goal: (6,) rad; speed: (6,) rad/s."""
        pull, before = self._pull, self.position
        pulled = before if pull is None else pull
        away = goal - self._servo
        short = np.sign(away) * np.maximum(np.abs(away) - FRICTION, 0.0)
        servo = self._servo + np.clip(short, -speed * period, speed * period)
        deflection = (
            0.0 if pull is None else np.clip(pulled - servo, -MAX_DEFLECTION, MAX_DEFLECTION)
        )
        to = np.where(torque_on, servo + deflection, pulled)
        reach = np.where(torque_on, np.maximum(speed, HAND_SPEED), HAND_SPEED) * period
        after = before + np.clip(to - before, -reach, reach)
        self.position = np.clip(after, self._lower, self._upper)
        self.velocity = (self.position - before) / period
        self._servo = np.where(torque_on, servo, self.position)
        self.load = np.where(torque_on, deflection / MAX_DEFLECTION, 0.0)
