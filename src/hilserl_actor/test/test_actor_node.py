"""The actor as a process over real rclpy, in a fake cell whose parts stop and return."""

from contextlib import contextmanager
import time

from actor_support.fake_cell import (
    FakeCell,
    SlowableKinematics,
    bundle,
    own_domain,
    running,
    spinning,
    wait_for,
)
import numpy as np
import pytest
import rclpy

from so101_description.joint_messages import joint_range
from so101_description.joints import LOWER, UPPER
from so101_interfaces.msg import JointRange
from so101_node import names
from so101_node.ros_node import not_urgent, urgent

pytestmark = pytest.mark.graph

READY_TIME = 0.5
PERIOD = 0.1


@contextmanager
def cell_with_actor(namespace='', **parameters):
    cell = FakeCell(namespace)
    with (
        spinning(cell.node),
        running(
            'actor', namespace, auto_start='true', sigma='0.3', ready_time=READY_TIME, **parameters
        ),
    ):
        cell.sha256 = cell.publish_policy(1)
        yield cell


@pytest.fixture(scope='module')
def bench():
    """A fake cell with a running actor and FK service."""
    bundle(1), bundle(2)
    urgent()  # arms and cameras do not wait for other processes
    with own_domain():
        rclpy.init()
        kinematics = SlowableKinematics()
        with spinning(kinematics), cell_with_actor() as cell:
            cell.kinematics = kinematics
            yield cell
    not_urgent()


@pytest.fixture
def cell(bench):
    """The cell some steps after an episode has begun by itself."""
    bench.kinematics.late = 0
    bench.camera_on = bench.joint_states_on = bench.reward_on = True
    bench.camera_frozen = bench.joints_frozen = False
    bench.allowed = JointRange()
    bench.wait_for_mode('POLICY')
    wait_for(
        lambda: (
            bench.steps
            and 5 < bench.steps[-1].index < 60
            and episode(bench) == bench.status[-1].episode_id
        ),
        'some steps',
        30.0,
    )
    bench.status.clear()
    del bench.steps[:-1]
    return bench


def episode(cell) -> str:
    return cell.steps[-1].episode_id


def commands_since(cell, since: float):
    return [at for at, _ in cell.commands if at > since]


def resumes_by_itself(cell):
    cell.wait_for_mode('READY')
    cell.wait_for_mode('POLICY')


def stamp(message) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def test_the_status_has_the_active_policy_and_its_latency(cell):
    wait_for(lambda: cell.status, 'a status')
    assert cell.status[-1].policy_sha256 == cell.sha256
    assert np.isnan(cell.status[-1].weights_latency_ms)  # published before the actor started
    sha256 = cell.publish_policy(2)
    wait_for(lambda: cell.status and cell.status[-1].policy_sha256 == sha256, 'version 2')
    status = cell.status[-1]
    assert status.policy_version == 2
    assert 0.0 < status.weights_latency_ms < 5000.0
    assert 0.0 < status.tick_ms < 1e3 * PERIOD


def test_two_observations_are_at_least_nine_tenths_of_a_period_apart(cell):
    wait_for(lambda: len(cell.steps) >= 20, 'steps')
    between = [
        stamp(b) - stamp(a)
        for a, b in zip(cell.steps, cell.steps[1:])
        if b.index == a.index + 1 and b.episode_id == a.episode_id
    ]
    assert min(between) > 0.9 * PERIOD - 0.001
    assert np.median(between) == pytest.approx(PERIOD, abs=0.002)


def test_one_late_answer_of_the_fk_service_costs_one_step_and_no_episode(cell):
    was = episode(cell)
    cell.kinematics.delay, cell.kinematics.late = 0.04, 1
    wait_for(lambda: cell.reported('did not answer within 20 ms'), 'its name')
    before = len(cell.steps)
    wait_for(lambda: len(cell.steps) >= before + 3, 'steps')
    assert episode(cell) == was
    indexes = [step.index for step in cell.steps]
    assert sum(np.diff(indexes) - 1) in (1, 2), indexes


def test_the_arm_holds_while_the_fk_service_is_slow_and_the_actor_resumes_afterwards(cell):
    since = time.monotonic()
    cell.kinematics.delay, cell.kinematics.late = 0.05, 10**6
    wait_for(lambda: cell.reported('the arm holds and nothing is recorded'), 'what is lost')
    cell.wait_for_mode('RESET')
    steps = len(cell.steps)
    time.sleep(0.5)
    assert not commands_since(cell, since + 0.3) and len(cell.steps) == steps
    assert cell.steps[-1].last and cell.steps[-1].outcome == 0
    cell.kinematics.late = 0
    resumes_by_itself(cell)


@pytest.mark.parametrize(
    'part, words',
    [('camera_on', 'wrist_camera image is '), ('joint_states_on', 'follower joint state is ')],
)
def test_the_arm_holds_without_camera_or_driver_and_the_actor_resumes_afterwards(
    cell, part, words
):
    since = time.monotonic()
    setattr(cell, part, False)
    wait_for(lambda: cell.reported(words), 'the cause')
    cell.wait_for_mode('RESET')
    steps = len(cell.steps)
    time.sleep(0.3)
    assert not commands_since(cell, since + 0.5) and len(cell.steps) == steps
    cell.torque.clear()
    setattr(cell, part, True)
    resumes_by_itself(cell)
    assert ('follower', True) in cell.torque  # a new driver does not know the torque


@pytest.mark.parametrize(
    'part, words',
    [
        ('camera_frozen', 'wrist_camera image has not changed for '),
        ('joints_frozen', 'follower joint state has not changed for '),
    ],
)
def test_the_arm_holds_while_a_sensor_is_frozen_and_the_actor_resumes_afterwards(
    cell, part, words
):
    since = time.monotonic()
    setattr(cell, part, True)
    wait_for(lambda: cell.reported(words), 'the sensor')
    cell.wait_for_mode('RESET')
    time.sleep(0.5)
    # the fake arm has to move before it can be seen to be frozen
    assert not commands_since(cell, since + 0.6)
    assert cell.steps[-1].last and cell.steps[-1].outcome == 0
    setattr(cell, part, False)
    resumes_by_itself(cell)


def test_images_from_the_future_are_refused_and_named(cell):
    since = time.monotonic()
    cell.stamp_offset = 3600.0
    wait_for(lambda: cell.reported('s in the future (limit 0.05 s); set the clocks'), 'the cause')
    cell.wait_for_mode('RESET')
    time.sleep(0.3)
    assert not commands_since(cell, since + 0.5)
    cell.stamp_offset = 0.0
    resumes_by_itself(cell)


def test_a_short_time_without_camera_drops_steps_but_not_the_episode(cell):
    was = episode(cell)
    cell.camera_on = False
    time.sleep(0.35)
    cell.camera_on = True
    wait_for(lambda: cell.reported('wrist_camera image is '), 'the cause')
    before = len(cell.steps)
    wait_for(lambda: len(cell.steps) >= before + 3, 'steps')
    assert episode(cell) == was
    assert any(np.diff([step.index for step in cell.steps]) > 1)
    assert cell.status[-1].dropped_steps >= 1


def test_no_command_leaves_the_range_that_the_driver_allows(cell):
    lower, upper = LOWER.copy(), UPPER.copy()
    pan = cell.commands[-1][1][0]
    lower[0], upper[0] = pan - 0.005, pan + 0.005
    cell.allowed = joint_range(lower, upper)
    wait_for(lambda: any('joint limits' in s.limited for s in list(cell.status)), 'limited')
    begun = len(cell.commands)
    wait_for(lambda: len(cell.commands) > begun + 10, 'commands')
    targets = np.array([target for _, target in cell.commands[begun:]])
    assert np.all((targets >= lower - 1e-9) & (targets <= upper + 1e-9))
    assert np.ptp(targets[:, 1:5]) > 0.0  # the other joints still move


def test_a_driver_that_accepts_no_command_gives_no_steps(cell):
    cell.accepts_commands = False
    wait_for(lambda: cell.reported('the driver did not accept the last command'), 'the cause')
    cell.wait_for_mode('RESET')
    assert sum(not step.last for step in cell.steps[1:]) <= 1  # the pending one
    cell.accepts_commands = True
    resumes_by_itself(cell)


def test_the_arm_holds_while_a_second_driver_publishes(cell):
    topic = names.JOINT_STATES.format(arm='follower')
    with spinning(FakeCell().node):
        wait_for(lambda: cell.reported(f'2 drivers publish {topic}'), 'the other one')
        cell.wait_for_mode('RESET')
    resumes_by_itself(cell)


def ends_without_reward(cell):
    # the last record of an episode has none anyway
    return [s.has_reward for s in list(cell.steps) if not s.last][-3:] == [False] * 3


def test_without_a_reward_message_steps_have_no_reward(cell):
    assert all(step.has_reward and step.reward == 0.25 for step in cell.steps[-3:])
    cell.reward_on = False
    time.sleep(0.8)
    wait_for(lambda: ends_without_reward(cell), 'steps without reward')
    cell.reward_on = True


def test_the_rewards_of_another_run_are_not_taken(cell):
    cell.reward_run = 'other'
    try:
        wait_for(lambda: ends_without_reward(cell), 'steps without reward')
    finally:
        cell.reward_run = ''


def test_two_cells_do_not_receive_each_others_messages(cell):
    with running('kinematics', 'b'), cell_with_actor('b', reward='operator') as other:
        wait_for(lambda: any(not s.last for s in other.steps), 'steps of the other', 30.0)
        assert all(s.has_reward and s.reward == 0.0 for s in other.steps if not s.last)
        assert cell.press(names.ESTOP).success
        cell.wait_for_mode('ESTOP')
        since, steps = time.monotonic(), len(other.steps)
        wait_for(lambda: len(other.steps) >= steps + 10, 'steps of the other')
        assert not commands_since(cell, since) and commands_since(other, since)
        assert other.status[-1].mode == 'POLICY' and cell.status[-1].mode == 'ESTOP'
        assert not {s.episode_id for s in cell.steps} & {s.episode_id for s in other.steps}
    assert "driver's stop is still in force" in cell.press(names.ESTOP_RESET).message
    assert cell.press(names.DRIVER_STOP_RESET).success
    wait_for(lambda: cell.press(names.ESTOP_RESET).success, 'the end of the stop')
    resumes_by_itself(cell)


@pytest.mark.parametrize(
    'role, field, value',
    [
        ('train', 'action', 'dx:0.03,dy:0.02,dz:0.02,gripper:0.2'),
        ('record', 'action', 'dx:0.02,dy:0.02,dz:0.02'),
        ('eval', 'box_max', '[0.35, 0.15, 0.2]'),
    ],
)
def test_nothing_moves_while_the_fk_service_computes_other_actions_than_the_tasks(
    tmp_path, role, field, value
):
    policy, parameters = tmp_path / 'policy.safetensors', {}
    policy.write_bytes(bundle(1))
    if role == 'eval':
        parameters = {'policies': [str(policy)], 'results': [str(tmp_path)], 'episodes': 1}
    with (
        own_domain(),
        running('kinematics', 'b', **{field: value}),
        cell_with_actor('b', role=role, **parameters) as cell,
    ):
        sentence = f'{field} {value}, the task '
        wait_for(lambda: cell.reported(sentence), sentence, 20.0)
        answers = []

        def told():
            answers.append(cell.press(names.START))
            return sentence in answers[-1].message

        wait_for(told, f'START is answered: {sentence}', 20.0)
        assert not any(answer.success for answer in answers)
        assert f'start the kinematics node with {field}:=' in answers[-1].message
        time.sleep(1.0)
        assert cell.status[-1].mode == 'IDLE' and not cell.commands and not cell.steps
