"""Keyboard teleoperation in the simulated cell on a real terminal (pty): record and discard."""

import time

import numpy as np
import pytest

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.bags.labels import read_labels
from hilserl_core.contract.steps import Outcome, Source
from hilserl_tests.cell_process import own_domain
from hilserl_tests.terminal_cell import TerminalCell
from hilserl_tests.watcher import Watcher

pytestmark = [pytest.mark.graph, pytest.mark.long]


class Terminal(TerminalCell):
    """A cell with its own pty, and the person who types there."""

    def hold(self, key: bytes, seconds: float):
        """Repeat a key, as a terminal does while it is held down."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.type(key)
            time.sleep(0.04)

    def wait_for(self, words: str, timeout: float = 30.0, key: bytes = b''):
        """Wait for `words` on the terminal; press `key` every second meanwhile."""
        since, deadline, again = len(self.text), time.monotonic() + timeout, 0.0
        while words not in self.text[since:]:
            assert time.monotonic() < deadline, f'{words!r} was not printed: {self.text[-3000:]}'
            assert self.process.poll() is None, self.text[-3000:]
            if key and time.monotonic() > again:
                self.type(key)
                again = time.monotonic() + 1.0
            time.sleep(0.05)


def test_a_person_records_by_keys_and_discards_a_demonstration(tmp_path):
    with own_domain() as environment, Watcher() as messages:
        terminal = Terminal(
            [
                'record',
                'run:=demos',
                f'runs_dir:={tmp_path}',
                'operator:=person',
                'screen:=plain',
                'episodes:=2',
                'console:=false',
            ],
            environment,
        )
        terminal.wait_for('RESET -> READY', 300, key=b' ')  # a busy computer starts slowly
        for key, expected in (
            (b'\x1b[A', 'demonstration 1 of 2: success'),  # away
            (b'\x1b[B', 'demonstration 1 of 2: success'),  # back
            (b'\x1b[D', 'demonstration 2 of 2: success'),
        ):  # left
            terminal.wait_for('READY -> HUMAN', key=b' ')
            terminal.hold(key, 1.5)
            terminal.type(b's')
            terminal.wait_for(expected)
            if key == b'\x1b[A':
                terminal.wait_for('the last episode is discarded; 0 of 2', key=b'r')
        assert terminal.process.wait(20) == 0, terminal.text[-3000:]
    assert 'Traceback' not in terminal.text
    bags = open_bags(tmp_path / 'demos' / 'bags')
    assert [[label.outcome for label in read_labels(bag.directory)] for bag in bags] == [
        [Outcome.DISCARDED],
        [],
        [],
    ]
    means = []
    for bag in bags:
        steps = [step for step in bag.steps() if not step.last]
        assert {step.source for step in steps} == {Source.HUMAN}
        means.append(np.mean([step.action for step in steps], axis=0))
    assert means[0][0] > 0.1 and means[1][0] < -0.1 and means[2][1] > 0.1
    assert messages.actor[-1].interventions == 0
