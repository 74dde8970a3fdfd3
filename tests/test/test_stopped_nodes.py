"""The whole simulated cell while each of its nodes is stopped for a while (SIGSTOP, SIGCONT)."""

import os
from pathlib import Path
import signal
import time

import numpy as np
import pytest

from hilserl_tests.cell_process import CellProcess, own_domain, processes_with
from hilserl_tests.handover import seconds
from hilserl_tests.watcher import Watcher
from so101_description.joints import pack

pytestmark = [pytest.mark.graph, pytest.mark.long]

NODES = ('kinematics', 'actor', 'driver', 'learner', 'operator', 'scripted_operator', 'world')
STOP = 1.5  # s
MAX_SPEED = 2.0  # rad/s, the driver's limit
WINDOW = 0.1  # s over which a speed is measured
RESUME = 60.0  # s
LAG = 0.12  # rad


def children(cell) -> dict[str, int]:
    """Return the process id of each node of a cell, by name."""
    found = {}
    for pid in Path(f'/proc/{cell.pid}/task/{cell.pid}/children').read_text().split():
        words = Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
        found[Path(words[1].decode()).name] = int(pid)
    return found


@pytest.fixture(scope='module')
def stopped(tmp_path_factory):
    """Stop each node once while the cell trains; returns cell, watcher and run directory."""
    runs = tmp_path_factory.mktemp('runs')
    stops = {}
    with own_domain() as environment, Watcher() as heard:
        cell = CellProcess(
            [
                'train',
                'run:=stopped',
                'start:=scratch',
                'console:=false',
                f'runs_dir:={runs}',
                'min_steps:=20',
                'patience:=1',
            ],
            environment,
        )

        def wait_for_steps(count, what):
            since, end = len(heard.steps), time.monotonic() + RESUME
            while len(heard.steps) < since + count:
                assert cell.process.poll() is None, cell.text[-3000:]
                assert time.monotonic() < end, f'{what}\n{cell.text[-3000:]}'
                time.sleep(0.02)

        cell.wait_for('READY -> POLICY', 240)
        for name in NODES:
            wait_for_steps(10, f'no steps before {name} is stopped')
            process = children(cell.process)[name]
            began = time.time()
            os.kill(process, signal.SIGSTOP)
            time.sleep(STOP)
            os.kill(process, signal.SIGCONT)
            stops[name] = began, time.time()
            wait_for_steps(10, f'no steps after {name} went on')
        os.kill(children(cell.process)['driver'], signal.SIGSTOP)  # at the end, too
        cell.process.send_signal(signal.SIGINT)
        code = cell.wait(30)
    assert code == 0, cell.text[-3000:]
    return cell, heard, runs / 'stopped', stops


def test_the_cell_goes_on_after_each_node_was_stopped(stopped):
    cell, _, run, _ = stopped
    assert 'Traceback' not in cell.text
    assert processes_with(str(run)) == []


def test_a_stopped_driver_still_brings_the_arms_to_rest_at_the_end(stopped):
    cell = stopped[0]
    for arm in ('follower', 'leader'):
        assert f'{arm}: torque off' in cell.text and f'{arm}: port closed' in cell.text


@pytest.mark.parametrize('name', [name for name in NODES if name != 'world'])
def test_no_joint_is_faster_than_the_limit_after_a_node_went_on(stopped, name):
    """Not for the world: real servos go on while a computer does not."""
    _, heard, _, stops = stopped
    since, until = stops[name]
    states = heard.states['follower']
    times = np.array([seconds(state.header.stamp) for state in states])
    angles = np.array([pack(state.name, state.position) for state in states])
    later = np.searchsorted(times, times + WINDOW)
    first = np.flatnonzero((later < len(times)) & (times > since) & (times < until + 2.0))
    span = times[later[first]] - times[first]
    moved = np.abs(angles[later[first]] - angles[first])[:, :5].max(1)
    over = moved - MAX_SPEED * span
    # the servo of the emulated world lags behind its setpoint, and then catches up
    assert over.max() <= LAG, f'{over.max()} rad, {times[first][over.argmax()] - until} s after'
