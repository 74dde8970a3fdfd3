"""Bounds how many steps a learner takes, so that a flood of them cannot fill memory and disk.

An actor makes one step in each period of the task. Steps that waited while the learner was busy
arrive at once, so as many as the queue of the subscription holds are taken at any speed. Each
publisher has a budget of its own: the flood of one does not cost the steps of another.
"""

from collections.abc import Callable
from functools import partial
import time

FACTOR = 2.0  # times the task's rate
PUBLISHERS = 4  # with a budget of their own; the others share one


class StepBudgets:
    """The budgets of the publishers of one topic; the arguments are those of `StepBudget`."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic):
        self._make = partial(StepBudget, rate, burst, clock)
        self._budgets: dict[bytes, StepBudget] = {}

    def of(self, publisher: bytes) -> 'StepBudget':
        """Return the budget of a publisher, given by its id; b'': not known."""
        if publisher not in self._budgets and len(self._budgets) >= PUBLISHERS:
            # a whole budget is as good as a new one: its publisher has ended, or sends little
            whole = next((key for key, budget in self._budgets.items() if budget.is_whole()), None)
            if whole is None:
                publisher = b''
            else:
                del self._budgets[whole]
        if publisher not in self._budgets:
            self._budgets[publisher] = self._make()
        return self._budgets[publisher]


class StepBudget:
    """The steps of one publisher that may still be taken. clock: s, monotonic.

    rate: of the task, 1/s. burst: steps that may wait in the subscription's queue; inf: no limit.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def is_whole(self) -> bool:
        """Whether as many steps may be taken as at the start."""
        self._refill()
        return self._left >= self._burst

    def problem(self) -> str:
        """Return why no step is taken now, or ''."""
        self._refill()
        if self._left >= 1.0:
            return ''
        return (
            f'more steps arrive than an actor makes ({self._rate:g} in a second); end the other '
            'publisher'
        )

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._left + FACTOR * self._rate * (now - self._at), self._burst)
        self._at = now

    def take(self) -> None:
        """Count a step that was taken."""
        self._left -= 1.0
