"""Feeling whether somebody takes hold of the leader while it mirrors the follower, or lets go.

The mirrored leader lags behind its commands but never leaves the way between the last few of
them; a hand pushes it off that way. Once it is free in the hand, a leader that stands still has
been let go.
"""
from collections import deque

import numpy as np

PUSHED = 0.08           # rad off its way: a hand; a loaded servo stands up to 0.045 beside its goal
ALIGNED = 0.05          # rad: near enough for the feeling to be armed (again)
PUSHED_TICKS = 2        # in a row
WAY = 4                 # commands that a servo may still be on the way between
STILL = 0.01            # rad from tick to tick: nobody moves it
STILL_TIME = 1.5        # s


class Grab:
    """One leader's state of being held, told tick by tick."""

    def __init__(self, rate: float):
        self._still_limit = round(STILL_TIME * rate)
        self.rest()

    def rest(self) -> None:
        """Forget everything: the leader is not mirroring now, or not yet."""
        self._way: deque[np.ndarray] = deque(maxlen=WAY)
        self._armed = False
        self._pushed = self._still = 0
        self._last: np.ndarray | None = None

    def commanded(self, target) -> None:
        """Note where the leader was told to go, (6,) rad."""
        self._way.append(np.array(target, np.float64))

    def grabbed(self, leader) -> bool:
        """Whether a hand pushes the mirroring leader, (6,) rad, off its way."""
        if len(self._way) < WAY:
            return False
        way = np.array(self._way)
        off = float(np.maximum(way.min(0) - leader, leader - way.max(0)).max())
        if off < ALIGNED:
            self._armed = True
        self._pushed = self._pushed + 1 if self._armed and off > PUSHED else 0
        return self._pushed >= PUSHED_TICKS

    def let_go(self, leader) -> bool:
        """Whether the free leader, (6,) rad, has stood still for a while."""
        moved = self._last is None or float(np.abs(leader - self._last).max()) > STILL
        self._last = np.array(leader, np.float64)
        self._still = 0 if moved else self._still + 1
        return self._still >= self._still_limit
