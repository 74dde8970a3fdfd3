"""Repeats the preflight while the cell is in IDLE; a start is refused until it passes."""

from so101_node.modes import Mode

from .control import ControlLoop
from .preflight import POLICY, Check, Preflight

PERIOD = 0.5  # s between two preflights
# Preflights that must pass in a row: discovery of a second cell takes time. Those in which only
# the policy is missing count, because a policy needs no second look.
REQUIRED = 3


class Readiness:
    """The result of the last preflight. Call `update` in the loop's thread.

    auto_start: whether to leave IDLE without the operator.
    """

    def __init__(self, preflight: Preflight, loop: ControlLoop, auto_start: bool):
        self._preflight, self._loop, self._auto_start = preflight, loop, auto_start
        self._due, self._passed = 0.0, 0
        self.checks = [Check('preflight', 'the first preflight is still running')]
        self.second_cell = ''  # a sentence if a second cell runs; checked in every mode
        self.publishers = ''  # a sentence on topics with two publishers; checked in every mode

    def update(self, now: float) -> None:
        """Run the checks that are due. now: s, monotonic."""
        if now <= self._due:
            return
        self._due = now + PERIOD
        self.second_cell = self._preflight.second_cell_problem()
        self.publishers = self._preflight.publisher_problem()
        if self._loop.machine.mode is not Mode.IDLE:
            return
        self.checks = self._preflight.run()
        refusal = self.refusal
        others = any(check.problem for check in self.checks if check.what != POLICY)
        self._passed = 0 if others else self._passed + 1
        if refusal:
            self._loop.message = refusal
        elif self.passed and self._auto_start:
            self._loop.request('preflight', 'the preflight passed')

    @property
    def problems(self) -> list[str]:
        """The problems that the last preflight found."""
        return [check.problem for check in self.checks if check.problem]

    @property
    def refusal(self) -> str:
        """Why the cell cannot start, or ''."""
        problems = self.problems
        return 'not ready: ' + '; '.join(problems) if problems else ''

    @property
    def passed(self) -> bool:
        """Whether enough preflights in a row passed."""
        return self._passed >= REQUIRED and not self.problems
