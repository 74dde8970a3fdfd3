"""Detects when the operator grabs or releases the mirroring leader.

The mirroring leader lags behind its commands but never leaves the way between the last few of
them; a hand pushes it off that way. Once it is free in the hand, a leader that does not move was
released.
"""

from collections import deque

import numpy as np

PUSHED = 0.08  # rad off its way: a hand; a loaded servo stands 0.045 beside its goal
ALIGNED = 0.05  # rad: near enough for the feeling to be armed (again)
PUSHED_TIME = 0.1  # s from the first to the last of the ticks that feel it
WAY_TIME = 0.4  # s of commands that a servo may still be on the way between
STILL = 0.02  # rad around one place: nobody moves it
STILL_TIME = 1.5  # s


class LeaderGrab:
    """One leader's state of being held, told tick by tick."""

    def __init__(self, rate: float):
        self._still_limit = round(STILL_TIME * rate)
        self._pushed_limit = 1 + round(PUSHED_TIME * rate)
        self._way_length = max(2, round(WAY_TIME * rate))
        self._way: deque[np.ndarray] = deque(maxlen=self._way_length)
        self.rest()

    def rest(self) -> None:
        """Forget everything: the leader is not mirroring now, or not yet."""
        self._way.clear()
        self._armed = False
        self._pushed = self._still = 0
        self._place: np.ndarray | None = None

    def commanded(self, target) -> None:
        """Note where the leader was told to go, (6,) rad."""
        self._way.append(np.array(target, np.float64))

    def grabbed(self, leader) -> bool:
        """Whether a hand pushes the mirroring leader, (6,) rad, off its way."""
        if len(self._way) < self._way_length:
            return False
        way = np.array(self._way)
        off = float(np.maximum(way.min(0) - leader, leader - way.max(0)).max())
        if off < ALIGNED:
            self._armed = True
        self._pushed = self._pushed + 1 if self._armed and off > PUSHED else 0
        return self._pushed >= self._pushed_limit

    def let_go(self, leader) -> bool:
        """Whether the free leader, (6,) rad, has stood still for a while."""
        if self._place is None or float(np.abs(leader - self._place).max()) > STILL:
            self._place, self._still = np.array(leader, np.float64), 0
        else:
            self._still += 1
        return self._still >= self._still_limit
