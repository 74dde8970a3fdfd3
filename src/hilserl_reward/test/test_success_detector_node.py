"""The node `success_detector` over real rclpy: steps in, rewards and diagnostics out."""

from dataclasses import replace
import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from reward_support import MOMENT, episode, twelve, write

from hilserl_core.bags.cdr import step_to_cdr
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_reward.labelled import read_labelled
from hilserl_reward.success_detector_node import SuccessDetectorNode
from hilserl_reward.training import TrainingOptions, train
from so101_interfaces.msg import Reward, Step
from so101_node import names, qos
from so101_node.errors import CellError

RUN = 'own'


@pytest.fixture(scope='module')
def file(schema, tmp_path_factory):
    directory = tmp_path_factory.mktemp('reward')
    write(directory / 'bags', schema, twelve(schema))
    found = read_labelled(['bags'], directory, reaction=0.2)
    options = TrainingOptions(60, config=NetworkConfig(channels=8, strides=(2, 2, 2, 1)))
    train(found, options).detector.save(directory / 'lift.safetensors')
    return directory / 'lift.safetensors'


class Bench:
    """The node, and what it publishes."""

    def __init__(self, detector, frame_size=32):
        words = {'detector': detector, 'run_id': RUN, 'task': 'grasp_lift'}
        words['frame_size'] = frame_size
        given = [part for name, value in words.items() for part in ('-p', f'{name}:={value}')]
        rclpy.init(args=['--ros-args', *given])
        self.executor = SingleThreadedExecutor()
        self.rewards, self.statuses = [], []
        self.detector = SuccessDetectorNode()
        self.node = rclpy.create_node('bench')
        self.node.create_subscription(Reward, names.REWARD, self.rewards.append, qos.STATUS)
        self.node.create_subscription(
            DiagnosticArray,
            names.DIAGNOSTICS,
            lambda m: self.statuses.extend(m.status),
            qos.STATUS,
        )
        self.steps = self.node.create_publisher(Step, names.STEP, qos.STEPS)
        for node in (self.detector, self.node):
            self.executor.add_node(node)
        self.until(lambda: self.rewards and self.steps.get_subscription_count())

    def until(self, condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'did not happen in time'
            self.executor.spin_once(timeout_sec=0.02)

    def send(self, step, run=RUN):
        """Publish a step; return the reward that follows it."""
        before = self.detector._reward.header.stamp
        self.rewards.clear()
        self.steps.publish(step_to_cdr(replace(step, run_id=run)))
        self.until(lambda: self.rewards and self.rewards[-1].header.stamp != before)
        self.until(lambda: len(self.rewards) > 1)  # one of them is of the step
        return self.rewards[-1]

    def close(self):
        self.executor.shutdown()
        for node in (self.detector, self.node):
            node.destroy_node()


@pytest.fixture
def started(domain):
    benches = []

    def start(*arguments):
        benches.append(Bench(*arguments))
        return benches[-1]

    yield start
    for bench in benches:
        bench.close()
    rclpy.try_shutdown()


def test_it_rewards_a_success_with_its_probability_and_forgets_it_at_the_end(
    started, file, schema
):
    bench = started(file)
    assert not bench.rewards[-1].success and bench.rewards[-1].run_id == RUN
    steps = episode(schema, 500, True)
    found = [bench.send(step) for step in steps]
    rewarded = [number for number, reward in enumerate(found) if reward.success]
    assert MOMENT < rewarded[0] <= MOMENT + 3 and rewarded[-1] == len(steps) - 2
    success = found[rewarded[0]]
    assert success.value == 1.0 and success.probability > 0.5 and success.sure
    assert success.source.startswith('detector ') and success.run_id == RUN
    assert found[5].probability < 0.5 and not found[-1].success  # the last one has no action
    odd = replace(episode(schema, 501, True)[20], images=(0 * steps[20].images[0],))
    unsure = bench.send(odd)
    assert not unsure.sure and not unsure.success
    bench.until(lambda: any('reward' in each.name for each in bench.statuses))
    values = {pair.key: pair.value for pair in bench.statuses[-1].values}
    assert success.source == f'detector {values["version"]}'


def test_it_refuses_steps_of_another_run_and_of_another_task(started, file, schema):
    bench = started(file)
    step = episode(schema, 500, True)[-4]
    for each in (step, replace(step, index=step.index + 1)):
        assert not bench.send(each, 'another').success
    assert bench.detector.refusals.count == 2
    assert not bench.send(replace(step, schema_hash='other')).success
    assert bench.detector.refusals.count == 3


def test_a_detector_for_other_images_is_refused_at_the_start(started, file):
    with pytest.raises(CellError, match='wrist_camera out_height: 64 here, 32 there'):
        started(file, 64)
