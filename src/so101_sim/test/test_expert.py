"""The expert's grasp in simulated physics, with the same actions as a policy."""

import math

import numpy as np
import pytest

from so101_description.joints import LOWER, UPPER
from so101_description.kinematics import Kinematics
from so101_sim.expert import Expert, LeaderInput, OperatorConfig
from so101_sim.world import World

MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
START = np.array([0.25, 0.0, 0.07])
kinematics = Kinematics()


def grasp(number):
    """Return whether the cube is lifted within 7 s and still held 3 s later."""
    world, rng = World(number), np.random.default_rng(number)
    start = START + rng.uniform(-0.01, 0.01, 3)
    reference = kinematics.solve(start, math.pi / 2, 0.0, 0.6, MIDDLE).q
    world.place_arm(reference)
    world.place_cube()
    expert, lifted_at = Expert(OperatorConfig(), rng), None
    for tick in range(100):
        q = world.joints()[0].copy()
        velocity, gripper_rate = expert.desired_velocity(
            tick * 0.1, kinematics.tool_pose(q)[0], q[5], world.cube_pose[0]
        )
        reference = kinematics.joint_target(
            q, reference, np.append(velocity / 0.2, gripper_rate / 2.0), math.pi / 2, 0.0
        ).q
        world.drive.goal = reference
        world.step(40)
        if lifted_at is None and world.success:
            lifted_at = tick
        if lifted_at is not None and tick == lifted_at + 30:
            return world.success
    return False


@pytest.mark.slow
def test_it_lifts_and_holds_the_cube_from_almost_every_pose():
    assert sum(grasp(number) for number in range(20)) >= 18


def test_it_moves_up_first_if_a_finger_would_push_the_cube():
    expert = Expert(OperatorConfig(), np.random.default_rng(0))
    velocity, _ = expert.desired_velocity(
        0.0, np.array([0.25, 0.06, 0.015]), 0.6, [0.25, 0.0, 0.0125]
    )
    assert velocity[2] > 0.05 and abs(velocity[1]) < 1e-9


def test_a_cube_that_slipped_out_is_grasped_again():
    expert, cube = Expert(OperatorConfig(), np.random.default_rng(0)), np.array([0.25, 0, 0.0125])
    at = np.array([0.25 - OperatorConfig.grasp_offset, 0.0, 0.016])
    now = 0.0
    while expert.phase.value != 'lift':
        expert.desired_velocity(now, at, 0.2 if expert.phase.value == 'close' else 0.6, cube)
        now += 0.05
        assert now < 3.0
    _, gripper_rate = expert.desired_velocity(now, at + [0, 0, 0.06], 0.2, cube)
    assert expert.phase.value == 'above' and gripper_rate > 0


def test_the_pull_is_limited_in_speed_and_stays_close_to_a_blocked_leader():
    leader = kinematics.solve(START, math.pi / 2, 0.0, 0.6, MIDDLE).q
    hand, before = LeaderInput(kinematics, leader), START
    for _ in range(40):
        q = hand.move([0.2, 0.0, 0.0], -2.0, 0.05, leader)
        tool = kinematics.tool_pose(q)[0]
        assert np.linalg.norm(tool - before) < 0.0102
        assert np.linalg.norm(tool - START) < LeaderInput.LEAD + 1e-3
        assert (q >= LOWER).all() and (q <= UPPER).all()
        before = tool
