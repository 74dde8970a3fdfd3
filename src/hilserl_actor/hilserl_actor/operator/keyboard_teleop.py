"""A hand that moves the simulated leader by keys: what a person without a leader arm drives with.

A terminal tells of presses and repeats, never of a release: a key acts for a moment.
"""

from math import pi

import numpy as np

from so101_description.joints import LOWER, UPPER
from so101_description.kinematics import Kinematics

HELD = 0.3  # s that a press lasts; a held key repeats sooner, once it repeats
SPEED = 0.1  # m/s
GRIPPER_SPEED = 1.5  # rad/s
LEAD = 0.03  # m that the hand may be ahead of what the leader does

# key -> direction in base_link (x away from the base, y to the left, z up), and the gripper's
DIRECTIONS = {
    'up': (1, 0, 0, 0),
    'down': (-1, 0, 0, 0),
    'left': (0, 1, 0, 0),
    'right': (0, -1, 0, 0),
    'u': (0, 0, 1, 0),
    'j': (0, 0, -1, 0),
    '.': (0, 0, 0, 1),
    ',': (0, 0, 0, -1),
}


class KeyHand:
    """Where the hand pulls the leader to; times s of a steady clock."""

    def __init__(self):
        self._kinematics = Kinematics()
        self._until: dict[str, float] = {}
        self._q: np.ndarray | None = None  # (6,) rad; None: hands off
        self._tool = np.zeros(3)

    def press(self, key: str, now: float) -> bool:
        """Note a key; False if it is none that drives."""
        if key not in DIRECTIONS:
            return False
        self._until[key] = now + HELD
        return True

    def pull(self, now: float, period: float, leader: np.ndarray) -> np.ndarray | None:
        """Joint angles (6,) rad to pull the leader to, `period` s on; None: it is let go.

        leader: (6,) rad, as measured.
        """
        pressed = [DIRECTIONS[key] for key, until in self._until.items() if until > now]
        if not pressed:
            self._q = None
            return None
        here = self._kinematics.tool_pose(leader)[0]
        if self._q is None:
            self._q, self._tool = np.array(leader, np.float64), here
        motion = np.sum(pressed, axis=0) * period
        lead = self._tool + motion[:3] * SPEED - here
        self._tool = here + lead * min(1.0, LEAD / max(1e-9, float(np.linalg.norm(lead))))
        gripper = np.clip(self._q[5] + motion[3] * GRIPPER_SPEED, LOWER[5], UPPER[5])
        # as every task holds its tool: straight down
        self._q = self._kinematics.solve(self._tool, pi / 2, 0.0, float(gripper), self._q).q
        return self._q
