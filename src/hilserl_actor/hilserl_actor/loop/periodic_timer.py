"""The control loop's timer: absolute deadlines, and garbage collection between ticks."""

from collections.abc import Callable
import gc
import time

SHORTEST_PERIOD = (
    0.9  # of a period: minimum time between two observations, and from action to observation
)
LONGEST_PERIOD = 1.15  # of a period: maximum period that a late action may cause
PREPARE_TIME = 0.003  # s before a tick at which `prepare` is called
SPIN_TIME = 0.0003  # s before a deadline in which the loop does not sleep: a sleep may overshoot


class PeriodicTimer:
    """One tick each `period`, s. Create and use it in the loop's thread, after all set-up.

    longest: periods that a late action may cause at most.
    """

    def __init__(self, period: float, longest: float = LONGEST_PERIOD):
        self.period, self._longest = period, longest
        gc.collect()
        gc.freeze()  # the collector skips the objects of the set-up
        gc.disable()
        self._last = self._scheduled = time.monotonic()

    def wait(self, prepare: Callable[[], object] = lambda: None, acted: float = 0.0) -> float:
        """Sleep until the next tick is due; returns its time, s of the monotonic clock.

        `prepare` is called PREPARE_TIME s before the tick, or at once if less time is left. acted:
        when the last action was sent. After a delay, periods of at least SHORTEST_PERIOD catch up
        with the schedule; whole missed periods are skipped.
        """
        gc.collect()
        self._scheduled += self.period
        now = time.monotonic()
        if now >= self._scheduled + self.period:
            self._scheduled = now
        due = max(
            self._scheduled,
            self._last + SHORTEST_PERIOD * self.period,
            min(acted + SHORTEST_PERIOD * self.period, self._last + self._longest * self.period),
        )
        if now < due - PREPARE_TIME:
            time.sleep(due - PREPARE_TIME - now)
        prepare()
        if (now := time.monotonic()) < due - SPIN_TIME:
            time.sleep(due - SPIN_TIME - now)
        while (now := time.monotonic()) < due:
            pass
        self._last = now
        return now
