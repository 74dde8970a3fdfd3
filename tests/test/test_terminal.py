"""The whole cell on a terminal that is closed, or whose keys would stop it."""

import time

import pytest

from hilserl_tests.cell_process import own_domain, processes_with
from hilserl_tests.terminal_cell import TerminalCell
from hilserl_tests.watcher import Watcher

pytestmark = pytest.mark.graph


def wait(condition, what, timeout=240.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f'not within {timeout} s: {what}'
        time.sleep(0.05)


def lines_of(run, node):
    return (run / 'log' / f'{node}.txt').read_text(encoding='utf-8')


def test_a_closed_terminal_ends_the_cell_like_ctrl_c(tmp_path):
    """The arms go to rest and lose torque; checkpoint and bags are complete."""
    run = tmp_path / 'closed'
    with own_domain() as environment, Watcher() as heard:
        cell = TerminalCell(
            [
                'train',
                'run:=closed',
                'start:=scratch',
                f'runs_dir:={tmp_path}',
                'min_steps:=20',
            ],
            environment,
        )
        try:
            wait(lambda: len(heard.steps) > 40, 'steps')
            wait(lambda: heard.learner[-1].updates > 0, 'updates')
            cell.type(b'\x1a')  # Ctrl-Z
            steps = len(heard.steps)
            wait(lambda: len(heard.steps) > steps + 10, 'steps after Ctrl-Z')
            cell.close()
            assert cell.process.wait(30.0) == 0
        finally:
            cell.end()
    wait(lambda: processes_with(str(run)) == [], 'no process is left', 5.0)
    assert 'Ctrl-Z is ignored' in cell.text
    checkpoints = [path for path in (run / 'checkpoints').iterdir() if path.is_dir()]
    assert checkpoints
    bags = list((run / 'bags').iterdir())
    assert bags and all((bag / 'metadata.yaml').exists() for bag in bags)
    driver = lines_of(run, 'driver')
    for arm in ('follower', 'leader'):
        assert f'{arm}: torque off' in driver and f'{arm}: port closed' in driver
    for log in (run / 'log').iterdir():
        assert 'Traceback' not in log.read_text(encoding='utf-8'), log.name
