"""Frozen sensors, and the still and slow arms that are none."""

import numpy as np
import pytest

from hilserl_actor.loop.frozen_sensors import FrozenSensors

PERIOD = 0.01  # s


class Arm:
    """An arm that follows targets, with a camera; each sensor can freeze."""

    def __init__(self):
        self.now = 100.0
        self.sensors = FrozenSensors(lambda: self.now)
        self.position, self.target = np.zeros(6), np.zeros(6)
        self.joints_frozen = self.camera_frozen = self.blocked = False
        self.noise = 0
        self.late = []  # images under way
        self._shown, self._measured = b'', self.position.copy()

    def run(self, time, speed=0.0, joint=0):
        """Command a joint at `speed` rad/s, in ten targets a second; return the first problem."""
        for i in range(round(time / PERIOD)):
            self.now += PERIOD
            if i % 10 == 0:
                if speed:
                    self.target = self.target.copy()
                    self.target[joint] += speed * 0.1
                self.sensors.note_target(self.target)
            if not self.blocked:
                self.position = self.position + np.clip(self.target - self.position, -0.02, 0.02)
            if not self.joints_frozen:
                self._measured = np.round(self.position / 0.0015) * 0.0015
            self.sensors.note_joints(self._measured, self._measured.tobytes() + b'%d' % self.noise)
            if i % 3 == 0:
                self.late.append(self.position.tobytes())
                shown = self.late.pop(0) if len(self.late) > 3 else self._shown
                self._shown = self._shown if self.camera_frozen else shown
                self.sensors.note_image('wrist_camera', self._shown)
            if problem := self.sensors.problem():
                return problem, i * PERIOD
        return '', time


def test_a_still_arm_freezes_nothing():
    assert Arm().run(10.0)[0] == ''


@pytest.mark.parametrize('speed', [0.2, 0.5, 1.0, 2.0])
def test_a_moving_arm_freezes_nothing(speed):
    arm = Arm()
    for part in range(4):
        assert arm.run(1.0, speed if part % 2 == 0 else 0.0)[0] == ''


@pytest.mark.parametrize('speed', [0.4, 0.6, 1.0])
def test_frozen_joints_are_named_within_half_a_second(speed):
    arm = Arm()
    assert arm.run(1.0, speed, joint=2)[0] == ''
    arm.joints_frozen = True
    problem, after = arm.run(2.0, speed, joint=2)
    assert 'follower joint state has not changed for' in problem and 'elbow_flex' in problem
    assert after < 0.5


@pytest.mark.parametrize('speed', [0.1, 0.4, 1.0])
def test_a_frozen_camera_is_named_within_half_a_second(speed):
    arm = Arm()
    assert arm.run(1.0, speed)[0] == ''
    arm.camera_frozen = True
    problem, after = arm.run(2.0, speed)
    assert 'wrist_camera image has not changed for' in problem and 'shoulder_pan' in problem
    assert after < 0.5


def test_a_sensor_that_changes_again_is_no_longer_frozen():
    arm = Arm()
    arm.camera_frozen = True
    assert arm.run(1.0, 0.5)[0]
    arm.camera_frozen = False
    arm.run(0.2)
    assert arm.run(1.0)[0] == ''


def test_an_arm_that_pushes_with_changing_load_is_not_frozen():
    arm = Arm()
    arm.blocked = True
    for arm.noise in range(20):
        assert arm.run(0.05, 1.0)[0] == ''


def test_a_gripper_that_closes_on_an_object_is_not_frozen():
    arm = Arm()
    arm.blocked = True
    assert arm.run(1.0, 1.0, joint=5)[0] == ''


def test_targets_near_the_measured_pose_ask_for_no_motion():
    """After a hold the target returns to the measured pose."""
    arm = Arm()
    arm.blocked = True
    arm.target = np.full(6, 0.1)
    arm.sensors.note_target(arm.target)
    arm.sensors.note_joints(arm.position, b'')
    arm.now += 1.0
    arm.target = np.zeros(6)
    assert arm.run(2.0)[0] == ''


def test_a_sensor_that_was_lost_is_not_frozen_when_it_returns():
    arm = Arm()
    arm.run(1.0, 1.0)
    arm.target = arm.target + 0.3
    arm.sensors.note_target(arm.target)  # its driver dies now
    arm.now += 1.0
    arm.target = arm.position
    assert arm.run(2.0)[0] == ''
