"""Every topic and service of a running cell gets what its definition allows, and bytes that are no
message: no process ends, none takes much memory, and the control loop keeps its rate."""

import os
from pathlib import Path
import time

import pytest

from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.stranger import Stranger
from hilserl_tests.watcher import Watcher
from so101_node import names

pytestmark = pytest.mark.graph

SECONDS = float(os.environ.get('FUZZ_SECONDS', '20'))
NODES = ['actor', 'learner', 'driver', 'kinematics', 'operator', 'scripted_operator', 'world']
MEMORY = 200e6  # bytes that a process may grow; the learner's replay is part of it
LINE = 1000  # characters of a log line
# These must be found in the graph; a new one is found without this list.
REACHED = {
    names.STEP,
    names.TASK,
    names.WEIGHTS,
    names.REWARD,
    names.ACTOR_STATUS,
    names.LEARNER_STATUS,
    names.DRIVER_STATUS,
    names.DRIVER_STOP,
    names.DRIVER_RELEASE,
    names.SIM_HAND,
    names.TAKE_COMMAND,
    names.LEARNER_LABEL,
    names.GET_ACTION,
    names.IMAGE.format(camera=names.WRIST_CAMERA),
    names.JOINT_COMMANDS.format(arm='follower'),
    names.JOINT_STATES.format(arm='leader'),
    names.SET_TORQUE.format(arm='follower'),
    names.DIAGNOSTICS.strip('/'),
    'rosout',
}


def processes_of(cell):
    """The processes of the cell's nodes: pid -> resident memory, bytes."""
    found = {}
    for entry in Path('/proc').iterdir():
        try:
            if int((entry / 'stat').read_text().rpartition(') ')[2].split()[1]) == cell.pid:
                found[int(entry.name)] = int((entry / 'statm').read_text().split()[1]) * 4096
        except (OSError, ValueError):
            continue
    return found


def rate(statuses, seconds):
    before = len(statuses)
    time.sleep(seconds)
    return (len(statuses) - before) / seconds


def test_nothing_that_a_stranger_sends_ends_a_node_or_stops_the_loop(tmp_path):
    with own_domain() as environment:
        words = [f'runs_dir:={tmp_path}', 'run:=fuzzed', 'run_id:=fuzz', 'memory_gb:=0.05']
        cell = CellProcess(['train', 'start:=scratch', *words], environment)
        with Watcher() as watcher, Stranger() as stranger:
            cell.wait_for('READY -> POLICY', 120)
            usual = rate(watcher.actor, 3.0)
            before = processes_of(cell.process)
            assert len(before) >= len(NODES)
            targets = stranger.targets(NODES)
            missing = REACHED - {target.name.strip('/') for target in targets}
            assert not missing
            began, count, sent = time.monotonic(), len(watcher.actor), 0
            while time.monotonic() - began < SECONDS:
                target = targets[sent % len(targets)]
                stranger.attack(target, 4)
                sent += 1
            took = time.monotonic() - began
            attacked = (len(watcher.actor) - count) / took
            time.sleep(1.0)
            after = processes_of(cell.process)
            assert set(after) == set(before), cell.text[-3000:]
            grown = {pid: after[pid] - size for pid, size in before.items()}
            assert max(grown.values()) < MEMORY, grown
            assert attacked > 0.7 * usual, (attacked, usual)
            assert sent > 20
            cell.interrupt()
        assert cell.process.returncode == 0, cell.text[-3000:]
        assert 'Traceback' not in cell.text
        assert max(map(len, cell.lines)) < LINE
