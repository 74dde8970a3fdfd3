"""A simulated arm: the driver's limits and the easing of its gripper apply."""

import numpy as np
import pytest

from hilserl_sim.arm import RATE, SimulatedArm
from so101_description.joints import REST
from so101_driver.configure import torque_limit
from so101_driver.faults import GRIPPER
from so101_driver.grip import EASED_TORQUE, PATIENCE
from so101_sim import sts3215
from so101_sim.servo_arm import ServoArm


@pytest.fixture
def servos():
    return ServoArm('follower', '/dev/null/follower', REST)


@pytest.fixture
def arm(servos):
    return SimulatedArm('follower', servos)


def run(arm, seconds, since=0.0):
    for cycle in range(round(seconds * RATE)):
        arm.cycle(since + cycle / RATE)


def test_it_measures_its_pose(arm):
    assert arm.position == pytest.approx(REST, abs=0.01)


def test_a_command_without_torque_moves_nothing(arm, servos):
    before = servos.goal()
    arm.command(np.array(REST) + 0.3)
    run(arm, 0.2)
    assert np.array_equal(servos.goal(), before) and not servos.torque_on().any()


def test_a_command_moves_the_goals_no_faster_than_the_driver_allows(arm, servos):
    arm.set_torque(True)
    start = servos.goal()
    arm.command(np.array(REST) + (1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    run(arm, 0.1)
    assert servos.torque_on().all()
    assert 0.0 < servos.goal()[0] - start[0] < 0.9


def test_each_servo_has_its_joints_torque_limit(servos, arm):
    limits = [servo.word(sts3215.TORQUE_LIMIT) for servo in servos.servos]
    assert limits == [torque_limit('elbow_flex')] * 5 + [torque_limit('gripper')]


def test_a_gripper_that_pushes_long_is_eased_and_gets_its_torque_back(servos, arm):
    gripper = servos.servos[GRIPPER]
    arm.set_torque(True)
    gripper.sensed = gripper.sensed._replace(load=0.3)
    run(arm, PATIENCE + 0.1)
    assert gripper.word(sts3215.TORQUE_LIMIT) == EASED_TORQUE
    gripper.sensed = gripper.sensed._replace(load=0.0)
    run(arm, 0.1, since=PATIENCE + 0.1)
    assert gripper.word(sts3215.TORQUE_LIMIT) == torque_limit('gripper')
