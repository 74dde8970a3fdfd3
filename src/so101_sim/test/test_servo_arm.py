"""Conversion between joints in rad and ticks on the bus."""

import json

import numpy as np
import pytest

from so101_description.joints import GRIPPER_CLOSED, GRIPPER_OPEN, REST
from so101_sim import calibration_path, sts3215
from so101_sim.servo_arm import ServoArm


@pytest.mark.parametrize('arm', ['follower', 'leader'])
def test_the_middle_of_a_range_is_zero_and_the_grippers_range_ends_are_open_and_closed(
    tmp_path, arm
):
    with open(calibration_path(arm), encoding='utf-8') as file:
        table = list(json.load(file).values())
    servo_arm = ServoArm(arm, tmp_path / 'port', REST)
    for servo, entry in zip(servo_arm.servos[:5], table):
        middle = round((entry['range_min'] + entry['range_max']) / 2)
        servo.write(sts3215.GOAL_POSITION, middle.to_bytes(2, 'little'))
    assert np.abs(servo_arm.goal()[:5]).max() < 0.002
    for end, angle in (('range_min', GRIPPER_CLOSED), ('range_max', GRIPPER_OPEN)):
        servo_arm.servos[5].write(sts3215.GOAL_POSITION, table[5][end].to_bytes(2, 'little'))
        assert servo_arm.goal()[5] == pytest.approx(angle, abs=0.002)
    assert servo_arm.torque_on().all()  # a goal position switches torque on, as in the servo


def test_the_state_of_the_joints_is_readable_on_the_bus(tmp_path):
    arm = ServoArm('follower', tmp_path / 'port', REST)
    before = [s.present_position for s in arm.servos]
    arm.set_joints(REST + 0.1, np.full(6, 1.0), np.full(6, -0.5))
    for servo, at in zip(arm.servos[:5], before):
        assert servo.present_position - at == pytest.approx(0.1 * 4096 / 2 / np.pi, abs=1)
        assert servo.sensed.velocity == pytest.approx(4096 / 2 / np.pi)
        assert servo.read(60, 2) == (500 | 1 << 10).to_bytes(2, 'little')
    assert not arm.torque_on().any()


@pytest.mark.parametrize('arm, supply', [('follower', 120), ('leader', 74)])
def test_each_arm_has_its_own_supply(tmp_path, arm, supply):
    arm = ServoArm(arm, tmp_path / 'port', REST)
    for _ in range(2):
        assert [servo.read(62, 1)[0] for servo in arm.servos] == [supply] * 6
        arm.set_joints(REST, np.zeros(6), np.zeros(6))


def positions(arm):
    return np.array([servo.present_position for servo in arm.servos])


def test_a_joint_moves_its_servo_only_beyond_the_backlash(tmp_path):
    arm = ServoArm('follower', tmp_path / 'port', REST, backlash=0.02)
    zeros, before = np.zeros(6), positions(arm)
    arm.set_joints(REST + 0.009, zeros, zeros)
    assert (positions(arm) == before).all()
    arm.set_joints(REST + 0.05, zeros, zeros)
    moved = (positions(arm) - before)[:5] * 2 * np.pi / 4096
    assert moved == pytest.approx(np.full(5, 0.04), abs=0.002)


def test_a_change_of_the_goal_below_the_stiction_does_not_move_the_motor(tmp_path):
    arm = ServoArm('follower', tmp_path / 'port', REST, stiction=0.01)
    before = arm.goal()
    for ticks, moves in ((3, False), (10, True)):
        at = positions(arm)[0] + ticks
        arm.servos[0].write(sts3215.GOAL_POSITION, int(at).to_bytes(2, 'little'))
        assert (arm.goal()[0] != before[0]) == moves
