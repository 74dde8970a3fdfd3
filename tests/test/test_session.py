"""A session with interventions started in each of the three ways, in the whole simulated cell.

The test does the operator's work: it types keys, calls services and moves the simulated leader.
"""

import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from hilserl_actor.operator.keyboard import KEYS
from hilserl_core.contract.task import TaskSchema
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.handover import HUMAN, measure_handover_jumps, seconds
from hilserl_tests.watcher import Watcher
from so101_description.joints import JOINTS, pack
from so101_description.kinematics import Kinematics
from so101_node import names, qos

pytestmark = pytest.mark.graph

DRIVE = 2.0  # s of an intervention
PUSH = np.array([0.3, 0, 0, 0, 0, 0])


def key_of(service, value=None) -> str:
    """Return the key that calls a service with this value."""
    return next(key for key, (_, name, sent) in KEYS.items() if (name, sent) == (service, value))


class Person:
    """Operates a running cell: reads its status, types keys, moves the leader."""

    def __init__(self, cell, messages):
        self.cell, self.messages = cell, messages
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        node = self._node = rclpy.create_node('person', context=self._context)
        self._hand = node.create_publisher(JointState, names.SIM_HAND, qos.COMMAND)
        self._intervene = node.create_client(SetBool, names.INTERVENE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)

    def close(self):
        rclpy.shutdown(context=self._context)

    @property
    def mode(self):
        return self.messages.actor[-1].mode if self.messages.actor else ''

    def wait(self, condition, timeout=30.0, meanwhile=lambda: None):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, self.cell.text[-2000:]
            meanwhile()
            time.sleep(0.05)

    def wait_for_policy(self):
        """Wait until the policy drives for some steps; press START where needed."""

        def start():
            if self.mode in ('IDLE', 'READY') and time.monotonic() > self.next_press:
                self.cell.type(key_of(names.START))
                self.next_press = time.monotonic() + 1.0

        self.next_press = 0.0
        self.wait(lambda: self.mode == 'POLICY' and self.messages.actor[-1].step > 5, 60, start)

    def call(self, value: bool):
        future = self._intervene.call_async(SetBool.Request(data=value))
        self._executor.spin_until_future_complete(future, 5.0)
        assert future.result().success, future.result().message

    def leader(self) -> np.ndarray:
        message = self.messages.states['leader'][-1]
        return pack(message.name, message.position)

    def pull(self, q):
        self._hand.publish(JointState(name=list(JOINTS), position=q.tolist()))

    def drive(self):
        """Move the leader forth and back."""
        start, started = self.leader(), time.monotonic()
        while (t := time.monotonic() - started) < DRIVE:
            swing = np.sin(2 * np.pi * t / DRIVE)
            self.pull(start + swing * np.array([0.25, 0.1, -0.1, 0, 0, 0.2]))
            time.sleep(0.05)

    def release_leader(self):
        self._hand.publish(JointState())

    # -- the three ways ------------------------------------------------------------------------
    def by_key(self):
        self.cell.type(key_of(names.INTERVENE, True))
        self.wait(lambda: self.mode == 'HUMAN')
        self.drive()
        self.release_leader()
        self.cell.type(key_of(names.INTERVENE, False))

    def by_service(self):
        self.call(True)
        self.wait(lambda: self.mode == 'HUMAN')
        self.drive()
        self.release_leader()
        self.call(False)

    def by_grabbing(self):
        self.wait(lambda: self.mode == 'HUMAN', meanwhile=lambda: self.pull(self.leader() + PUSH))
        self.drive()
        self.release_leader()


@pytest.fixture(scope='module')
def session(tmp_path_factory):
    """The watcher, the episode of each way of intervention, and the cell."""
    runs = tmp_path_factory.mktemp('runs')
    episodes = {}
    with own_domain() as environment, Watcher() as messages:
        cell = CellProcess(
            # start: not with demonstrations, as a first session would
            [
                'train',
                'operator:=person',
                'start:=scratch',
                'screen:=plain',
                'console:=false',
                f'runs_dir:={runs}',
            ],
            environment,
            terminal=True,
        )
        person = Person(cell, messages)
        for way in ('key', 'service', 'grab'):
            person.wait_for_policy()
            episodes[way] = messages.actor[-1].episode_id
            {'key': person.by_key, 'service': person.by_service, 'grab': person.by_grabbing}[way]()
            person.wait(lambda: person.mode == 'POLICY')
            released = messages.actor[-1].step
            person.wait(lambda: messages.actor[-1].step > released + 5)
            cell.type(key_of(names.FAILURE))
            person.wait(lambda: person.mode != 'POLICY')
        cell.interrupt()
        person.close()
    assert cell.process.returncode == 0, cell.text[-3000:]
    return messages, episodes, cell


def test_each_kind_of_take_over_starts_an_intervention_and_the_policy_resumes(session):
    messages, episodes, cell = session
    for way, episode in episodes.items():
        steps = [s for s in messages.steps if s.episode_id == episode]
        assert steps[-1].last and steps[-2].terminated
        sources = [s.source for s in steps[:-1]]
        assert np.count_nonzero(np.diff(sources)) == 2, f'{way}: {sources}'
        human = [s for s in steps if s.source == HUMAN]
        assert 0.7 * 10 * DRIVE < len(human) < 10 * (DRIVE + 3.0), way
        assert max(np.abs(s.action).max() for s in human) > 0.3, way
    assert cell.text.count('POLICY -> HUMAN: the operator') == 2
    assert cell.text.count('POLICY -> HUMAN: the leader was grabbed') == 1
    assert cell.text.count('HUMAN -> POLICY: the leader was released') == 1


def test_no_command_jumps_at_a_take_over_or_a_release(session):
    take_overs, releases = measure_handover_jumps(session[0])
    print(take_overs, releases)
    for jumps in (take_overs, releases):
        assert jumps.count == 3
        assert jumps.deg < 2.0 and jumps.mm < 5.0, jumps


def test_stored_actions_give_the_sent_commands_over_the_whole_session(session):
    messages, kinematics = session[0], Kinematics()
    schema = TaskSchema.from_json(messages.task.schema)
    commands = [pack(c.name, c.position) for c in messages.commands]
    times = np.array([seconds(c.header.stamp) for c in messages.commands])
    measured = {
        q.astype(np.float32).tobytes(): q
        for q in (pack(m.name, m.position) for m in messages.states['follower'])
    }
    steps = [s for s in messages.steps if not s.last]
    errors = []
    for step in steps:
        state = np.array(step.state[:6], np.float32)
        at = int(np.searchsorted(times, seconds(step.header.stamp)))
        if state.tobytes() in measured and times[at] - times[at - 1] < 0.15:
            again = kinematics.joint_target(
                measured[state.tobytes()],
                commands[at - 1],
                step.action,
                schema.pitch,
                schema.wrist_roll,
            )
            errors.append(np.abs(again.q - commands[at]).max())
    assert len(errors) > 0.9 * len(steps) > 80
    assert max(errors) < 1e-6
