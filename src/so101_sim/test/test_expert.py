"""The expert's grasp in simulated physics, with the same actions as a policy."""

import math

import numpy as np
import pytest

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.tasks import make_task
from so101_description.joints import LOWER, UPPER
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash
from so101_sim.expert import Expert, OperatorConfig
from so101_sim.leader_input import LeaderInput
from so101_sim.scene import scene_of
from so101_sim.scripted_operator import operator_for
from so101_sim.world import World

MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
START = np.array([0.25, 0.0, 0.07])
kinematics = Kinematics()


def run(task, number, hold=0):
    """Return whether the expert succeeds, and the success lasts for `hold` steps more."""
    world, rng = World(number, scene_of(task)), np.random.default_rng(number)
    schema = make_task(task, model_hash())
    start = schema.start + rng.uniform(-1, 1, 3) * schema.start_spread
    core = kinematics_of(schema)
    reference = core.solve(start, schema.pitch, schema.wrist_roll, 0.6, MIDDLE).q
    world.place_arm(reference)
    world.place_bodies()
    expert, reached = Expert(operator_for(task, 'plain'), rng), None
    for tick in range(schema.max_steps):
        q = world.joints()[0].copy()
        velocity, gripper_rate = expert.desired_velocity(
            tick * 0.1,
            core.tool_pose(q)[0],
            q[5],
            world.pose(world.grasped)[0],
            world.pose(world.target)[0] if world.target else None,
        )
        reference = core.joint_target(
            q,
            reference,
            np.append(velocity / 0.2, gripper_rate / 2.0),
            schema.pitch,
            schema.wrist_roll,
        ).q
        world.drive.goal = reference
        for _ in range(10):
            world.step(4)
        if reached is None and world.success:
            reached = tick
        if reached is not None and tick == reached + hold:
            return world.success
    return False


@pytest.mark.slow
def test_it_lifts_and_holds_the_cube_from_almost_every_pose():
    assert sum(run('grasp_lift', number, hold=30) for number in range(20)) >= 18


@pytest.mark.slow
@pytest.mark.parametrize('task', ['pick_place', 'stack', 'insert', 'sort'])
def test_it_puts_the_body_where_it_belongs(task):
    assert sum(run(task, number) for number in range(4)) >= 3


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
    hand, before = LeaderInput(kinematics, leader, OperatorConfig()), START
    for _ in range(40):
        q = hand.move([0.2, 0.0, 0.0], -2.0, 0.05, leader)
        tool = kinematics.tool_pose(q)[0]
        assert np.linalg.norm(tool - before) < 0.0102
        assert np.linalg.norm(tool - START) < LeaderInput.LEAD + 1e-3
        assert (q >= LOWER).all() and (q <= UPPER).all()
        before = tool
