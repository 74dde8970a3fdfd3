"""Keyboard teleoperation: keys move the simulated leader, for a person without a leader arm.

A terminal reports presses and repeats of a key, but no release. So each press acts for KEY_TIME.
The console in the browser knows how far and how long: it pushes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from so101_description.action_space import PITCH_JOINTS
from so101_description.joints import LOWER, UPPER
from so101_description.kinematics import Kinematics

KEY_TIME = 0.3  # s that a press acts; a key that is held down repeats sooner
SPEED = 0.1  # m/s
GRIPPER_SPEED = 1.5  # rad/s
LEAD = 0.03  # m that the target may be ahead of the measured leader

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


class KeyboardTeleop:
    """Computes the target that the leader is pulled to. Times: s of a steady clock."""

    def __init__(self) -> None:
        self._kinematics = Kinematics()
        self._until: dict[str, float] = {}
        self._pushed: tuple[tuple[float, ...], float] = (0.0,) * 4, 0.0
        self._q: npt.NDArray[np.float64] | None = (
            None  # target, (6,) rad; None: the leader is released
        )
        self._tool = np.zeros(3)
        self._wrist = 0.0, 0.0  # pitch and roll of the leader since the first key, rad

    def press(self, key: str, now: float) -> bool:
        """Note a key; returns False if the key does not move the leader."""
        if key not in DIRECTIONS:
            return False
        self._until[key] = now + KEY_TIME
        return True

    def push(self, direction: Sequence[float], until: float) -> None:
        """Move in a direction (4,), as in DIRECTIONS, until this time; all 0: release it."""
        self._pushed = tuple(direction), until if any(direction) else 0.0

    def pushed(self, now: float) -> bool:
        """Return whether a push lasts."""
        return self._pushed[1] > now

    def target(
        self, now: float, period: float, leader: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64] | None:
        """Return the target (6,) rad of the leader after `period` s; None: it is released.

        leader: (6,) rad, as measured.
        """
        pressed: list[tuple[float, ...]] = [
            DIRECTIONS[key] for key, until in self._until.items() if until > now
        ]
        direction, until = self._pushed
        pressed += [direction] if until > now else []
        if not pressed:
            self._q = None
            return None
        here = self._kinematics.tool_pose(leader)[0]
        if self._q is None:
            self._q, self._tool = np.array(leader, np.float64), here
            self._wrist = float(leader[PITCH_JOINTS].sum()), float(leader[4])
        motion = np.sum(pressed, axis=0) * period
        lead = self._tool + motion[:3] * SPEED - here
        self._tool = here + lead * min(1.0, LEAD / max(1e-9, float(np.linalg.norm(lead))))
        gripper = np.clip(self._q[5] + motion[3] * GRIPPER_SPEED, LOWER[5], UPPER[5])
        # No key turns the wrist: it keeps the pitch and the roll that the follower had.
        self._q = self._kinematics.solve(
            self._tool, *self._wrist, float(gripper), self._q, near=True
        ).q
        return self._q
