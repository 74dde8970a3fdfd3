"""The learner of a running cell is killed: the cell goes on."""

import os
from pathlib import Path
import signal
import time

import pytest

from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.watcher import Watcher

pytestmark = pytest.mark.graph

POLICY_DELAY = 5.0  # s from a publication to its use


def learner_of(run: Path) -> int:
    """Return the process id of the learner of `run`."""
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / 'cmdline').read_bytes().split(b'\0')
            except OSError:
                continue
            if f'run_dir:="{run}"'.encode() in words:
                return int(entry.name)
    raise AssertionError(f'no learner runs in {run}')


def wait(condition, timeout: float):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_used(messages, since: int):
    """Wait until a version after the first `since` ones is active; return how long it took, s."""
    wait(lambda: len(messages.versions) > since, 40)
    published, version = time.monotonic(), messages.versions[since]
    wait(lambda: messages.actor[-1].policy_version >= version, POLICY_DELAY)
    return time.monotonic() - published


def test_a_dead_learner_is_started_again_and_resumes(tmp_path):
    run = tmp_path / 'dead'
    with own_domain() as environment, Watcher() as messages:
        cell = CellProcess(
            ['train', 'run:=dead', 'start:=scratch', 'console:=false', f'runs_dir:={tmp_path}'],
            environment,
        )
        cell.wait_for('READY -> POLICY', 60)
        wait(
            lambda: (
                messages.learner
                and messages.learner[-1].updates > 5
                and messages.actor[-1].policy_version > 2
            ),
            60,
        )

        count, steps = len(messages.versions), messages.actor[-1].env_steps
        os.kill(learner_of(run), signal.SIGKILL)
        cell.wait_for('learner died (SIGKILL); starting it again', 5)
        wait(lambda: messages.actor[-1].message.startswith('the learner is gone'), 10)
        line = cell.wait_for('resumed run dead', 40)
        took = wait_until_used(messages, count)
        print(f'applied {took:.1f} s after it was published; {line}')
        assert messages.versions[count] >= max(messages.versions[:count])
        wait(lambda: messages.actor[-1].message.startswith('the learner is back'), 10)
        assert messages.actor[-1].env_steps > steps  # it went on meanwhile
        cell.interrupt()
    assert cell.process.returncode == 0, cell.text[-3000:]
    assert 'Traceback' not in cell.text
