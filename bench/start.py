"""Starts the simulated cell again and again beside busy loops: each start must train and end.

A start is `./cell train run_for:=60 start:=scratch` with an empty runs directory. It may also
refuse with the sentence that the computer is too busy. Start the bench with ordinary priority: the
busy loops and the cell inherit it.
"""

import argparse
from collections.abc import Iterator
import contextlib
import json
import subprocess
import sys
import tempfile
import time

from hilserl_actor.bringup import arguments
from hilserl_tests import starts
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.source_tree import source_root
from hilserl_tests.spun_node import spun_node
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import CellError

LONGEST = 600.0  # s for a start of at most 300 s, run_for and the end
PATIENCE = 60.0  # s from Ctrl-C to SIGKILL
FIRST_STEP = 'READY -> POLICY'


class Ticks:
    """Counts ticks of the control loop by its statuses; their number does not matter."""

    def __init__(self, rate: float):
        self._rate = rate  # Hz
        self._first: ActorStatus | None = None
        self._last: ActorStatus | None = None

    def note(self, status: ActorStatus) -> None:
        """Take a status; a new actor begins a new count."""
        if self._last is None or status.missed_ticks < self._last.missed_ticks:
            self._first = status
        self._last = status

    def missed_percent(self) -> float | None:
        """Return the share of missed ticks, %; None without a status. The next count is new."""
        first, last, self._first, self._last = self._first, self._last, None, None
        if first is None or last is None:
            return None
        seconds = _seconds(last) - _seconds(first)
        return starts.missed_percent(last.missed_ticks - first.missed_ticks, seconds, self._rate)


def _seconds(status: ActorStatus) -> float:
    return status.header.stamp.sec + status.header.stamp.nanosec * 1e-9


@contextlib.contextmanager
def listening(ticks: Ticks) -> Iterator[None]:
    """Pass the actor's statuses to `ticks`."""
    with spun_node('bench') as node:
        node.create_subscription(ActorStatus, names.ACTOR_STATUS, ticks.note, qos.STATUS)
        yield


def one_start(words: list[str], environment: dict[str, str], ticks: Ticks) -> starts.Start:
    """Start the cell and wait for its end."""
    with tempfile.TemporaryDirectory() as runs:
        program = (str(source_root() / 'cell'),)
        cell = CellProcess(
            [*words, f'runs_dir:={runs}'], environment, program=program, shown=False
        )
        first_step = None
        try:
            while cell.process.poll() is None and time.monotonic() - cell.started < LONGEST:
                if first_step is None and any(FIRST_STEP in line for line in list(cell.lines)):
                    first_step = time.monotonic() - cell.started
                time.sleep(0.1)
            code = cell.wait(0.0) if cell.process.poll() is not None else None
        except subprocess.TimeoutExpired:
            code = None
        finally:
            starts.end(cell.process, PATIENCE)
    return starts.Start(code, cell.lines, first_step, ticks.missed_percent())


def main() -> int:
    """Start, count, print one JSON line; 1 if a start failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--starts', type=int, default=10, help='how many, one after the other')
    parser.add_argument('--busy', type=int, default=8, help='busy loops beside them')
    parser.add_argument('--seconds', type=float, default=60.0, help='run_for of each start')
    parser.add_argument(
        '--unprivileged', action='store_true', help='deny the cell real-time priority'
    )
    options = parser.parse_args()
    if options.unprivileged:
        try:
            starts.deny_real_time()
        except CellError as error:
            raise SystemExit(f'bench start: {error}') from None
    words = ['train', f'run_for:={options.seconds:g}', 'start:=scratch']
    ticks = Ticks(arguments.parse('train', words[1:]).node('actor').schema().rate)
    done: list[starts.Start] = []
    with (
        contextlib.suppress(KeyboardInterrupt),  # the figures until then
        own_domain() as environment,
        listening(ticks),
        starts.busy_loops(options.busy),
    ):
        while len(done) < options.starts:
            done.append(one_start(words, environment, ticks))
            print(f'start {len(done)}, {starts.load()}: {done[-1].told()}', flush=True)
    figures = starts.summary(done, options.busy, options.unprivileged)
    print(json.dumps(figures))
    return int(bool(figures['failed']) or not done)


if __name__ == '__main__':
    sys.exit(main())
