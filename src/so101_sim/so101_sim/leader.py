"""The simulated leader arm: six joints, their servos, and a human hand that may pull them.

No dynamics worth an engine: the hand and the gear friction decide where a leader is. One thread
calls `step`; `pull` may come from another.
"""

import numpy as np

from so101_description.joints import LOWER, REST, UPPER

HAND_SPEED = 3.0  # rad/s, how fast a hand moves a joint that is free
GIVE = 0.12  # rad that a pull moves a joint off what its servo holds
FRICTION = 0.004  # rad short of its goal at which a servo stops


class Leader:
    """Angles (rad) and velocities (rad/s) of the leader's joints, in the order of JOINTS."""

    def __init__(self):
        self.position = REST.copy()
        self.velocity = np.zeros(6)
        self.load = np.zeros(6)  # share of the stall torque with which servos resist the hand
        self._servo = REST.copy()  # where each servo holds its joint, were there no hand
        self._hand: np.ndarray | None = None

    def pull(self, hand: np.ndarray | None) -> None:
        """Where a hand wants the joints, (6,) rad; None: it lets go."""
        self._hand = None if hand is None else np.clip(hand, LOWER, UPPER)

    def step(self, period: float, torque_on, goal, speed) -> None:
        """Advance by `period` s; servos: torque on (6,) bool, goal (6,) rad, speed (6,) rad/s."""
        hand, before = self._hand, self.position
        pulled = before if hand is None else hand
        away = goal - self._servo
        short = np.sign(away) * np.maximum(np.abs(away) - FRICTION, 0.0)
        servo = self._servo + np.clip(short, -speed * period, speed * period)
        give = 0.0 if hand is None else np.clip(pulled - servo, -GIVE, GIVE)
        to = np.where(torque_on, servo + give, pulled)
        reach = np.where(torque_on, np.maximum(speed, HAND_SPEED), HAND_SPEED) * period
        self.position = np.clip(before + np.clip(to - before, -reach, reach), LOWER, UPPER)
        self.velocity = (self.position - before) / period
        self._servo = np.where(torque_on, servo, self.position)
        self.load = np.where(torque_on, give / GIVE, 0.0)
