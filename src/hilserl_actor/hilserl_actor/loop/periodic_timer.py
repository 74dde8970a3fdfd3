"""The control loop's beat: absolute deadlines, and garbage collected where it disturbs nobody."""

import gc
import time

SOONEST = 0.9  # of a period: no observation follows the one before any sooner, nor an action
LATEST = 1.15  # ... of which the latter makes no period longer than this
AHEAD = 0.003  # s before a tick: time for what it needs to be asked for
SPIN = 0.0003  # s before a deadline that a sleep may overshoot: waited for awake


class PeriodicTimer:
    """One tick a `period`, s. Make and use it in the loop's thread, once all is set up."""

    def __init__(self, period: float):
        self.period = period
        gc.collect()
        gc.freeze()  # what the node is made of is looked through no more
        gc.disable()
        self._last = self._grid = time.monotonic()

    def wait(self, ask=lambda: None, acted: float = 0.0) -> float:
        """Sleep until the next tick is due; returns its time, s of the monotonic clock.

        `ask` is called AHEAD s before, or at once if there is less time than that. acted: when
        the last action went out. A loop that was late catches up by SOONEST, not by hurrying;
        whole periods are lost.
        """
        gc.collect()
        self._grid += self.period
        now = time.monotonic()
        if now >= self._grid + self.period:
            self._grid = now
        due = max(
            self._grid,
            self._last + SOONEST * self.period,
            min(acted + SOONEST * self.period, self._last + LATEST * self.period),
        )
        if now < due - AHEAD:
            time.sleep(due - AHEAD - now)
        ask()
        if (now := time.monotonic()) < due - SPIN:
            time.sleep(due - SPIN - now)
        while (now := time.monotonic()) < due:
            pass
        self._last = now
        return now
