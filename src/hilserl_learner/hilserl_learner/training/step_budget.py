"""Bounds how many steps a learner takes, so that a flood of them cannot fill memory and disk.

An actor makes one step in each period of the task. Steps that waited while the learner was busy
arrive at once, so as many as the queue of the subscription holds are taken at any speed.
"""

from collections.abc import Callable
import time

FACTOR = 2.0  # times the task's rate


class StepBudget:
    """The steps of one actor that may still be taken. clock: s, monotonic.

    rate: of the task, 1/s. burst: steps that may wait in the subscription's queue.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = float(burst), clock()

    def problem(self) -> str:
        """Return why no step is taken now, or ''."""
        now = self._clock()
        self._left = min(self._left + FACTOR * self._rate * (now - self._at), self._burst)
        self._at = now
        if self._left >= 1.0:
            return ''
        return (
            f'more steps arrive than an actor makes ({self._rate:g} in a second); end the other '
            'publisher'
        )

    def take(self) -> None:
        """Count a step that was taken."""
        self._left -= 1.0
