"""The actor as a process over real rclpy, in a fake cell whose parts stop and return."""

import time

from actor_support.fake_cell import (
    FakeCell,
    spinning,
    wait_for,
)
from actor_support.running_actor import (
    commands_since,
    episode,
    resumes_by_itself,
)
import numpy as np
import pytest

from so101_description.joint_messages import joint_range
from so101_description.joints import LOWER, UPPER
from so101_node import names

pytestmark = pytest.mark.graph

PERIOD = 0.1


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
    # an action that is always late lengthens the period, by less than a tick lasts
    tick = 1e-3 * np.median([status.tick_ms for status in cell.status])
    assert PERIOD - 0.002 < np.median(between) < PERIOD + 0.002 + tick


def test_one_late_answer_of_the_fk_service_costs_one_step_and_no_episode(cell):
    was = episode(cell)
    cell.kinematics.delay, cell.kinematics.late = 0.04, 1
    wait_for(lambda: cell.reported('did not answer within 20 ms'), 'its name')
    wait_for(lambda: lost_steps(cell) > 0, 'a lost step')
    before = len(cell.steps)
    wait_for(lambda: len(cell.steps) >= before + 3, 'steps')
    assert episode(cell) == was
    assert lost_steps(cell) <= 3  # on a slow computer another answer is late, too


def lost_steps(cell):
    return sum(np.diff([step.index for step in cell.steps]) - 1)


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
