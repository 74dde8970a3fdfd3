"""A plugin of pytest: writes failed and skipped tests to the file that CELL_TEST_OUTCOMES names.

`./cell test` reads that file, because the results of pytest (JUnit) hold neither the marks of a
test nor the load of the computer while it ran.

Files with slow tests run first: one that began last would run alone at the end.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FILE = 'CELL_TEST_OUTCOMES'  # the environment variable
MODULE = __name__
TIMED = {'graph', 'timing'}  # marks of tests that a busy computer can fail


@dataclass(frozen=True)
class Outcome:
    """One failed or skipped report; a test has up to three (setup, call, teardown)."""

    test: str  # path from the root of the tree, and name, as pytest takes it
    outcome: str  # failed or skipped
    timed: bool  # whether a busy computer can be the reason
    load: float  # average number of processes that ran or waited in the last minute
    reason: str  # of a skip


class _Writer:
    def __init__(self, path: Path):
        self._path = path

    def pytest_runtest_logreport(self, report: 'pytest.TestReport') -> None:
        if report.outcome == 'passed' or hasattr(report, 'wasxfail'):
            return
        outcome = Outcome(
            test=report.nodeid,
            outcome=report.outcome,
            timed=not TIMED.isdisjoint(report.keywords),
            load=round(os.getloadavg()[0], 1),
            reason=str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else '',
        )
        with open(self._path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(asdict(outcome)) + '\n')


def pytest_configure(config: 'pytest.Config') -> None:
    """Register the writer, but not in a worker of xdist: its parent process has all reports."""
    if FILE in os.environ and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(_Writer(Path(os.environ[FILE])))


def pytest_collection_modifyitems(items: 'list[pytest.Item]') -> None:
    """Put the files with slow tests first."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


def read(path: Path) -> Iterator[Outcome]:
    """Yield what the plugin wrote; nothing if every test passed."""
    with suppress(FileNotFoundError), open(path, encoding='utf-8') as file:
        for line in file:
            yield Outcome(**json.loads(line))
