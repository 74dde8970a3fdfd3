"""Every topic and service of a running cell gets what its definition allows, bytes that are no
message, and floods: no process ends, none takes much memory, and the control loop keeps on."""

from dataclasses import dataclass
import os
from pathlib import Path
import threading
import time

import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool, Trigger

from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.flood import NODE, flood, flood_of_calls
from hilserl_tests.stranger import Stranger
from hilserl_tests.watcher import Watcher
from so101_interfaces.msg import (
    ActorStatus,
    DriverStatus,
    LearnerStatus,
    Reward,
    Step,
    Task,
    Weights,
)
from so101_interfaces.srv import GetAction, GetJointTarget, LabelEpisode, TakeCommand
from so101_node import names

pytestmark = pytest.mark.graph

SECONDS = float(os.environ.get('FUZZ_SECONDS', '10'))
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


@dataclass
class Attacked:
    """A running cell, and what it was before the attacks."""

    cell: CellProcess
    watcher: Watcher
    stranger: Stranger
    usual: float  # rate of the actor's status, 1/s
    before: dict[int, int]  # as `processes_of`

    def require_well(self, rate):
        """Fail if a process ended or grew, or if the actor's ticks came at less than usual."""
        after = processes_of(self.cell.process)
        assert set(after) == set(self.before), self.cell.text[-3000:]
        grown = {pid: after[pid] - size for pid, size in self.before.items()}
        assert max(grown.values()) < MEMORY, grown
        assert rate > 0.7 * self.usual, (rate, self.usual)


@pytest.fixture(scope='module')
def attacked(tmp_path_factory):
    directory = tmp_path_factory.mktemp('runs')
    with own_domain() as environment:
        words = [f'runs_dir:={directory}', 'run:=fuzzed', 'run_id:=fuzz', 'memory_gb:=0.05']
        cell = CellProcess(['train', 'start:=scratch', *words], environment)
        with Watcher() as watcher, Stranger() as stranger:
            cell.wait_for('READY -> POLICY', 120)
            usual = rate(watcher.actor, 3.0)
            before = processes_of(cell.process)
            assert len(before) >= len(NODES)
            yield Attacked(cell, watcher, stranger, usual, before)
            cell.interrupt()
        assert cell.process.returncode == 0, cell.text[-3000:]
        assert 'Traceback' not in cell.text
        assert max(map(len, cell.lines)) < LINE


# Before the random messages: a stop among them would be the reason of every refusal.
FLOODS = {
    names.REWARD: Reward(run_id='other'),
    names.ACTOR_STATUS: ActorStatus(mode='POLICY', run_id='other'),
    names.LEARNER_STATUS: LearnerStatus(),
    names.DRIVER_STATUS: DriverStatus(session='other'),
    names.JOINT_COMMANDS.format(arm='follower'): JointState(name=['x'], position=[1.0]),
    names.JOINT_TARGETS.format(arm='follower'): JointState(name=['x'], position=[1.0]),
    names.JOINT_STATES.format(arm='leader'): JointState(name=['x'], position=[1.0]),
    names.IMAGE.format(camera=names.WRIST_CAMERA): Image(
        height=48, width=64, encoding='x', step=192, data=bytes(48 * 192)
    ),
    names.WEIGHTS: Weights(version=5, run_id='other', data=bytes(10_000)),
    names.TASK: Task(name='other'),
    names.STEP: Step(run_id='other', episode_id='other'),
}
FLOOD_RATE = 300.0  # 1/s, of each topic
FLOOD = 4.0  # s
# the nodes that refuse a part of it; of the other messages, only the newest one counts
REFUSING = ('actor', 'driver', 'learner')


def test_a_flood_ends_no_node_stops_no_loop_and_is_told_once_a_second(attacked):
    def missed():
        return [each for each in attacked.watcher.actor if each.run_id == 'fuzz'][-1].missed_ticks

    line, before = len(attacked.cell.lines), missed()
    messages = [(type(each), topic, serialize_message(each)) for topic, each in FLOODS.items()]
    with flood(messages, FLOOD_RATE * len(FLOODS)):
        began = time.monotonic()
        time.sleep(FLOOD)
        took = time.monotonic() - began
    time.sleep(1.0)  # until a status of after the flood is here
    # by the actor's own count: the flood drowns this process, which hears every topic
    attacked.require_well(attacked.usual - (missed() - before) / took)
    lines = [each for each in attacked.cell.lines[line:] if 'refused' in each and NODE in each]
    for node in REFUSING:
        told = [each for each in lines if f'WARN {node}:' in each]
        assert told and all(f'/{NODE} on this host' in each for each in told), attacked.cell.text
        for kind in ('message of', 'command of'):  # and while it begins and ends
            assert sum(kind in each for each in told) <= took + 4.0, told
        assert any('more before)' in each for each in told), told


# calls that a good program could make, but not so many
CALLS = (
    (SetBool, names.SET_TORQUE.format(arm='follower'), {'data': True}),
    (Trigger, names.CLEAR_FAULTS.format(arm='follower'), {}),
    (TakeCommand, names.TAKE_COMMAND, {'node': '/other'}),
    (GetJointTarget, names.GET_JOINT_TARGET, {}),
    (GetAction, names.GET_ACTION, {}),
    (LabelEpisode, names.LEARNER_LABEL, {'episode_id': 'other', 'outcome': 'success'}),
    (Trigger, names.LEARNER_SAVE, {}),
    (Trigger, names.ESTOP_RESET, {}),
    (GetParameters, 'actor/get_parameters', {'names': ['use_sim_time']}),
)
STOP_TIME = 1.0  # s within which a stop is in force and answered, on a busy computer
CALL_RATE = 50.0  # 1/s, of each service


def test_a_flood_of_service_calls_stops_no_loop_and_no_stop(attacked):
    def newest():
        return [each for each in attacked.watcher.actor if each.run_id == 'fuzz'][-1]

    client = attacked.stranger.node.create_client(Trigger, f'/{names.DRIVER_STOP}')
    assert client.wait_for_service(10.0)  # as of the operator node, which was there before
    before = newest().missed_ticks
    with flood_of_calls(CALLS, CALL_RATE * len(CALLS)):
        began = time.monotonic()
        time.sleep(FLOOD)
        took = time.monotonic() - began
        time.sleep(1.0)
        attacked.require_well(attacked.usual - (newest().missed_ticks - before) / took)
        assert newest().mode not in ('IDLE', 'ESTOP'), attacked.cell.text[-3000:]
        done = threading.Event()
        answer = client.call_async(Trigger.Request())
        answer.add_done_callback(lambda _: done.set())
        assert done.wait(STOP_TIME), 'the stop was not answered'
        assert answer.result().success, answer.result().message


def test_nothing_that_a_stranger_sends_ends_a_node_or_stops_the_loop(attacked):
    targets = attacked.stranger.targets(NODES)
    missing = REACHED - {target.name.strip('/') for target in targets}
    assert not missing
    began, count, sent = time.monotonic(), len(attacked.watcher.actor), 0
    while time.monotonic() - began < SECONDS:
        attacked.stranger.attack(targets[sent % len(targets)], 4)
        sent += 1
    took = time.monotonic() - began
    attacked_rate = (len(attacked.watcher.actor) - count) / took
    time.sleep(1.0)
    attacked.require_well(attacked_rate)
    assert sent > 20
