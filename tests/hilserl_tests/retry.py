"""Runs failed tests once more, in a new process, and says so.

A busy computer fails tests of timing, and one without memory any test. A new process makes their
fixtures again, those of a module and of a session too: a second look at the data of the first try
would fail again. A test without the marks that fails at times is to be mended: its line says so.
"""

from collections import Counter
from collections.abc import Callable, Sequence
import os
from pathlib import Path

from .outcomes import read

MOST_FILES = 25  # if more files fail, the software is the more likely reason


class Retry:
    """Failed and skipped tests of one run of `./cell test`, and the second try."""

    def __init__(self, first: Path, second: Path):
        """`first` and `second` are the files that the plugin writes in the two tries."""
        self._second = second
        outcomes = list(read(first))
        self._skipped = Counter(o.reason for o in outcomes if o.outcome == 'skipped')
        self._failed = [o for o in outcomes if o.outcome == 'failed']
        self._again: list[str] = []
        self._failed_again: set[str] = set()

    def run(self, pytest: Callable[[Sequence[str]], int]) -> int:
        """Run the failed tests again; return how many of the failures no longer count.

        `pytest` takes the names of tests and returns pytest's exit code. If it crashes or does not
        find a test, all have failed again.
        """
        tests = list(dict.fromkeys(o.test for o in self._failed))
        if not tests or len({test.partition('::')[0] for test in tests}) > MOST_FILES:
            return 0
        print(f'\n{len(tests)} tests failed and run once more; {_load()}', flush=True)
        self._again = tests
        code = pytest(tests)
        failed = {o.test for o in read(self._second) if o.outcome == 'failed'}
        self._failed_again = failed if code in (0, 1) else set(tests)
        return sum(o.test not in self._failed_again for o in self._failed)

    def lines(self) -> list[str]:
        """Say which tests were skipped and why, which ran twice, and how that ended."""
        found = [f'{count} skipped: {reason}' for reason, count in sorted(self._skipped.items())]
        for test in self._again:
            load = max(o.load for o in self._failed if o.test == test)
            ending = 'failed again' if test in self._failed_again else 'passed'
            if ending == 'passed' and not any(o.timed for o in self._failed if o.test == test):
                ending += ': MEND IT, it is no test of timing'
            found.append(f'retried: {test} failed at load {load:.1f}, then {ending}')
        failed = {o.test for o in self._failed}
        if failed and not self._again:
            found.append(f'not retried: {len(failed)} tests failed, in too many files')
        return found


def _load() -> str:
    return f'load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors'
