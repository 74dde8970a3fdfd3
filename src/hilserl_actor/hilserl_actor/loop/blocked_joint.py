"""Notices a joint that is commanded to move and does not.

What the driver executes counts, so a target that the driver clamps is no block. The gripper is
left out: an object blocks it. The kinematics keeps a target near the measured pose, so the
distance to a blocked joint stays small, but it lasts.
"""

from collections import deque

import numpy as np

from so101_description.joints import JOINTS

from .interfaces import Joints

BLOCKED_TIME = 1.0  # s
AWAY = 0.07  # rad, on average and now; a loaded servo stays up to 0.045 short of its setpoint
STILL = 0.01  # rad; less motion than this counts as none
GRIPPER = JOINTS.index('gripper')


class BlockedJoint:
    """The follower's joints over the last BLOCKED_TIME; update it at each tick."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Joints, Joints]] = deque()

    def forget(self) -> None:
        """Start again: the arm is not commanded now."""
        self._past.clear()

    def update(self, now: float, position: Joints, target: Joints | None) -> str:
        """Return a sentence on a blocked joint, or ''.

        now: s, monotonic; position: measured, target: what the driver executes, None: nothing,
        both (6,) rad.
        """
        if target is None:
            self.forget()
            return ''
        self._past.append((now, position, target))
        if now - self._past[0][0] < BLOCKED_TIME:
            return ''
        positions = np.array([row[1] for row in self._past])[:, :GRIPPER]
        targets = np.array([row[2] for row in self._past])[:, :GRIPPER]
        self._past.popleft()
        distance = np.abs(targets - positions)
        away = np.minimum(distance.mean(0), distance[-1])
        away[np.ptp(positions, 0) > STILL] = 0.0
        joint = int(away.argmax())
        if away[joint] < AWAY:
            return ''
        self.forget()
        return (
            f'{JOINTS[joint]} is blocked: it is commanded {away[joint]:.2f} rad away and has not '
            f'moved for {BLOCKED_TIME:g} s; free the arm'
        )
