"""The wrist's angle at which the jaw closes across a body."""

from math import cos, pi, sin

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import LOWER, UPPER
from so101_description.kinematics import Kinematics
from so101_sim.grasp_observation import Observation, is_aligned, roll_across, yaw_of

MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
kinematics = Kinematics()


def jaw(roll, y):
    q = kinematics.solve([0.24, y, 0.08], pi / 2, roll, 0.6, MIDDLE).q
    direction = kinematics.tool_pose(q)[1][:2, 2]
    return direction / np.linalg.norm(direction)


def across(yaw):
    return np.array([-sin(yaw), cos(yaw)])


@given(
    roll=st.floats(-2.0, 2.0),
    yaw=st.floats(-pi, pi),
    y=st.floats(-0.1, 0.1),
)
def test_at_the_angle_the_jaw_closes_across_the_body(roll, yaw, y):
    to = roll_across(roll, jaw(roll, y), yaw)
    assert LOWER[4] < to < UPPER[4]
    assert abs(to - roll) < pi / 2 + 1e-9 or not LOWER[4] < to - np.sign(to - roll) * pi < UPPER[4]
    # the arm turns a little about the base while the wrist turns about the tool
    assert abs(abs(jaw(to, y) @ across(yaw)) - 1.0) < 0.02


@pytest.mark.parametrize('degrees, yes', [(0, True), (180, True), (5, True), (15, False)])
def test_a_jaw_is_aligned_in_both_directions(degrees, yes):
    at, turn = np.zeros(3), np.radians(degrees)
    seen = Observation(at, 0.6, at, None, across(turn), across(0.0))
    assert is_aligned(seen) is yes
    assert is_aligned(Observation(at, 0.6, at))


@given(yaw=st.floats(-3.1, 3.1))
def test_the_yaw_of_a_quaternion_is_its_angle_about_z(yaw):
    assert yaw_of(cos(yaw / 2), 0.0, 0.0, sin(yaw / 2)) == pytest.approx(yaw)
