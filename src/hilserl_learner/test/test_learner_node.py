"""The learner process with messages over DDS."""

from dataclasses import replace
import os
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from domain_coordinator import domain_id
from learner_support.running_learner import episode
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time
from std_srvs.srv import SetBool, Trigger

from hilserl_core.bags.cdr import step_to_cdr, task_to_cdr
from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.inference import Policy
from so101_description.model import model_hash
from so101_interfaces.msg import LearnerStatus, Step, Task, Weights
from so101_interfaces.srv import LabelEpisode
from so101_node import names, qos
from so101_node.errors import REFUSED

pytestmark = pytest.mark.graph

ARGUMENTS = ('batch_size:=8', 'min_steps:=10', 'publish_period:=1.0', 'memory_gb:=0.02')


@pytest.fixture(scope='module')
def environment():
    with domain_id() as domain:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        rclpy.init()
        # The DDS participant lives as long as a node: Fast DDS can crash where it is destroyed
        # while other processes leave.
        keeper = rclpy.create_node('keeper')
        yield dict(os.environ)
        rclpy.shutdown()
        keeper.destroy_node()


class Actor:
    """The topics and services of an actor."""

    def __init__(self, namespace=None):
        self.node = rclpy.create_node('test_actor', namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.weights, self.statuses, self.diagnostics = [], [], []
        self.node.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self.diagnostics.append, qos.STATUS
        )
        self.steps = self.node.create_publisher(Step, names.STEP, qos.STEPS)
        self.task = self.node.create_publisher(Task, names.TASK, qos.LATCHED)
        self.node.create_subscription(Weights, names.WEIGHTS, self.weights.append, qos.LATCHED)
        self.node.create_subscription(
            LearnerStatus, names.LEARNER_STATUS, self.statuses.append, qos.STATUS
        )

    def wait(self, condition, seconds=60.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.statuses[-1:]
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, service, name, request):
        client = self.node.create_client(service, name)
        assert client.wait_for_service(10.0)
        future = client.call_async(request)
        self.wait(future.done)
        return future.result()

    def diagnostic(self, name, key):
        """Return the last status of this name if it has the key, else None."""
        found = [s for array in self.diagnostics for s in array.status if s.name == name][-1:]
        return found[0] if found and key in {pair.key for pair in found[0].values} else None

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def actor(environment):
    actor = Actor()
    yield actor
    actor.close()


def start(environment, run, *arguments):
    command = [
        sys.executable,
        '-c',
        'from hilserl_learner.entry_points import learner; learner()',
        '--ros-args',
    ]
    for argument in (f'run_dir:={run}', *ARGUMENTS, *arguments):
        command += ['-p', argument]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(process, number=signal.SIGINT):
    begin = time.monotonic()
    process.send_signal(number)
    output = process.communicate(timeout=20)[0]
    return output, process.returncode, time.monotonic() - begin


def test_steps_become_bags_weights_status_and_a_run_that_resumes(environment, actor, tmp_path):
    schema = make_task('grasp_lift', model_hash())
    run = tmp_path / 'run'
    learner = start(environment, run)
    try:
        actor.task.publish(task_to_cdr(schema))
        actor.wait(lambda: actor.weights and actor.steps.get_subscription_count())
        first = actor.weights[0]
        assert first.version == 1
        assert Policy.from_bytes(first.data, schema.hash).version == 1
        for i in range(4):
            for step in episode(schema, f'e{i}'):
                actor.steps.publish(step_to_cdr(step))
        actor.wait(lambda: actor.weights[-1].version > 1)
        actor.wait(lambda: Policy.from_bytes(actor.weights[-1].data, schema.hash).updates > 10)
        actor.wait(lambda: actor.statuses and actor.statuses[-1].replay_steps == 32)
        status = actor.statuses[-1]
        assert status.state == 'TRAINING'
        assert status.prior_steps == 16 and status.rejected_steps == 0
        saved = actor.call(Trigger, names.LEARNER_SAVE, Trigger.Request())
        assert saved.success and (run / saved.message).is_dir()
        rolled_back = actor.call(Trigger, names.LEARNER_ROLL_BACK, Trigger.Request())
        assert rolled_back.success and rolled_back.message == saved.message
        actor.wait(lambda: actor.diagnostic('learner: learning', 'critic_loss'))
        status = actor.diagnostic('learner: learning', 'critic_loss')
        assert status.level == DiagnosticStatus.OK
        assert {
            'critic_loss',
            'q_mean',
            'q_bound',
            'sigma',
            'update_ratio',
            'human_share',
            'critic_gradient_norm',
            'action_saturation',
            'rejected_steps',
        } <= {pair.key for pair in status.values}
        answer = actor.call(
            LabelEpisode,
            names.LEARNER_LABEL,
            LabelEpisode.Request(episode_id='e1', outcome='failure'),
        )
        assert answer.success and answer.message.startswith('episode e1 is a failure')
        answer = actor.call(
            LabelEpisode,
            names.LEARNER_LABEL,
            LabelEpisode.Request(episode_id='unknown', outcome='failure'),
        )
        assert not answer.success and 'there is no complete bag' in answer.message
        assert actor.call(SetBool, names.LEARNER_PAUSE, SetBool.Request(data=True)).success
        actor.wait(lambda: actor.statuses[-1].state == 'PAUSED')
        for step in episode(schema, 'open')[:5]:
            actor.steps.publish(step_to_cdr(step))
        actor.wait(lambda: actor.statuses[-1].replay_steps > 32)

        second = start(environment, run)
        output, code, _ = second.communicate(timeout=60)[0], second.wait(), 0
        assert code == REFUSED and f'in use by process {learner.pid}' in output
        assert 'Traceback' not in output
        output, code, seconds = end(learner)
    finally:
        learner.kill()
    assert code == 0, output
    assert seconds < 3.0 and 'Traceback' not in output
    counts = {bag.directory.name: len(list(bag.steps())) for bag in open_bags(run / 'bags')}
    assert counts == {'e0': 9, 'e1': 9, 'e2': 9, 'e3': 9, 'open': 5}

    last = actor.weights[-1].version
    actor.weights.clear()
    learner = start(environment, run)
    try:
        actor.wait(lambda: actor.weights)
        assert actor.weights[0].version > last
    finally:
        output, code, _ = end(learner, signal.SIGTERM)
    assert code == 0
    assert 'resumed run run: ' in output and '37 steps, 4 episodes' in output
    assert 'and 5 bags' in output


def test_a_users_mistake_is_one_sentence_and_an_exit_code_of_its_own(environment, tmp_path):
    mistakes = {
        'task:=juggle': 'juggle',
        'no_such:=1': 'unknown parameter no_such',
        'sigma:=loud': "sigma 'loud' is neither",
        'memory_gb:=999.0': 'GB are free',
        'demos:=/nowhere': 'demos: there is no complete bag in /nowhere',
        'start:=demos': 'needs demos:=DIRECTORY',
    }
    processes = [
        start(environment, tmp_path / str(i), argument) for i, argument in enumerate(mistakes)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    for process, output, words in zip(processes, outputs, mistakes.values()):
        assert process.returncode == REFUSED
        assert words in output and 'Traceback' not in output
    assert list(tmp_path.glob('*/run.yaml')) == []


def test_an_actor_with_another_task_ends_the_learner_naming_the_field(
    environment, actor, tmp_path
):
    learner = start(environment, tmp_path / 'run')
    try:
        other = make_task('grasp_lift', model_hash(), 640, 480)
        actor.task.publish(task_to_cdr(other))
        output = learner.communicate(timeout=60)[0]
    finally:
        learner.kill()
    assert learner.returncode == REFUSED
    assert 'wrist_camera source_width: 160 here, 640 there' in output
    assert 'Traceback' not in output


def test_steps_and_tasks_of_another_run_are_refused_by_name(environment, actor, tmp_path):
    schema, other = (make_task('grasp_lift', model_hash(), size) for size in (160, 640))
    learner = start(environment, tmp_path / 'run', 'run_id:=own')
    try:
        actor.wait(lambda: actor.statuses)
        actor.task.publish(task_to_cdr(other, 'theirs'))
        actor.task.publish(task_to_cdr(other))
        actor.task.publish(b'\x00\x01\x00\x00' + b'\xff' * 40)
        time.sleep(1.2)  # one refusal a second is said

        def publish(run_id):
            for step in episode(schema, f'of-{run_id}'):
                actor.steps.publish(step_to_cdr(replace(step, run_id=run_id)))

        for run_id in ('theirs', '', 'own'):
            publish(run_id)
        actor.wait(lambda: actor.statuses[-1].replay_steps == 8)
        actor.wait(lambda: actor.statuses[-1].rejected_steps == 18)
        time.sleep(1.2)
        publish('own')  # as from a bag of this run that is played beside the cell
        actor.wait(lambda: actor.statuses[-1].rejected_steps == 27)
        assert actor.statuses[-1].replay_steps == 8
        actor.wait(lambda: actor.weights)
        assert {weights.run_id for weights in actor.weights} == {'own'}
    finally:
        output, code, _ = end(learner)
    assert code == 0, output
    assert "it is of run 'theirs', but this run is 'own'" in output
    assert 'of of-own was received before; do not play a bag' in output
    assert '/test_actor on this host' in output
    assert [bag.directory.name for bag in open_bags(tmp_path / 'run' / 'bags')] == ['of-own']


def test_a_learner_that_was_started_again_refuses_the_recorded_steps_of_its_run(
    environment, actor, tmp_path
):
    schema = make_task('grasp_lift', model_hash())
    before = [step_to_cdr(replace(step, run_id='own')) for step in episode(schema, 'before')]
    foreign = step_to_cdr(replace(episode(schema, 'foreign')[0], run_id='theirs'))
    for kept in (0, 8):
        began = actor.node.get_clock().now()
        learner = start(environment, tmp_path / 'run', 'run_id:=own')

        def status():
            """Return the newest status of this learner, or None."""
            stamps = [Time.from_msg(each.header.stamp) for each in actor.statuses[-1:]]
            return actor.statuses[-1] if stamps and stamps[0] > began else None

        try:
            actor.wait(status)
            assert status().replay_steps == kept

            def discovered():
                actor.steps.publish(foreign)
                actor.executor.spin_once(timeout_sec=0.2)
                return status().rejected_steps

            actor.wait(discovered)
            time.sleep(1.2)  # one refusal a second is said
            for data in before:  # the second time as from `ros2 bag play` of this start
                actor.steps.publish(data)
            actor.wait(lambda: status().replay_steps == 8)
            actor.wait(lambda: not kept or status().rejected_steps > len(before))
        finally:
            output, code, _ = end(learner)
        assert code == 0, output
    assert 'resumed' in output and 'of before was received before; do not play a bag' in output


def test_two_cells_feed_one_learner_and_both_get_its_policy(environment, tmp_path):
    schema = make_task('grasp_lift', model_hash())
    left, right = Actor('left'), Actor('right')
    bystander = Actor()
    learner = start(environment, tmp_path / 'run', 'actors:=left, /right')
    try:
        for actor in (left, right):
            actor.task.publish(task_to_cdr(schema))
            actor.wait(lambda: actor.weights and actor.steps.get_subscription_count())
        # those of killed learners of other tests count until the middleware gives them up
        bystander.wait(lambda: not bystander.steps.get_subscription_count())
        for one, other in zip(episode(schema, 'l'), episode(schema, 'r')):  # at the same time
            left.steps.publish(step_to_cdr(one))
            right.steps.publish(step_to_cdr(other))
        for actor in (left, right):
            actor.wait(lambda: actor.statuses and actor.statuses[-1].replay_steps == 16)
            actor.wait(lambda: actor.weights[-1].version > 1)
        assert not bystander.weights and not bystander.statuses
    finally:
        output, code, _ = end(learner)
        for actor in (left, right, bystander):
            actor.close()
    assert code == 0, output
    bags = open_bags(tmp_path / 'run' / 'bags')
    assert sorted((bag.directory.name, {s.episode_id for s in bag.steps()}) for bag in bags) == [
        ('l', {'l'}),
        ('r', {'r'}),
    ]
