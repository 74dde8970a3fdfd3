"""Near misses: attempts that look like a success and are none."""

import numpy as np
import pytest

from hilserl_core.contract.scene_file import Lifted, Near
from so101_description.joints import GRIPPER_CLOSED
from so101_sim.expert import OperatorConfig, Phase
from so101_sim.near_miss import BESIDE, NearMiss, low_lift
from so101_sim.scene import scene_of

CUBE = np.array([0.25, 0.0, 0.0125])
PERIOD = 0.05


def attempt(low, seed=0, seconds=12.0):
    """Move an ideal hand until an operator marks it, half a second after it came up.

    Return its path with the grips, and the attempt.
    """
    made = NearMiss(OperatorConfig(), np.random.default_rng(seed), low)
    tool, gripper, cube, path = np.array([0.22, 0.03, 0.07]), 0.6, CUBE.copy(), []
    over = 0
    for tick in range(round(seconds / PERIOD)):
        velocity, rate = made.desired_velocity(tick * PERIOD, tool, gripper, cube)
        tool = tool + velocity * PERIOD
        offset = cube - tool
        held = low and np.linalg.norm(offset[:2]) < 0.04 and gripper < 0.35
        gripper = float(np.clip(gripper + rate * PERIOD, 0.3 if held else GRIPPER_CLOSED, 0.6))
        if held:
            cube = cube + velocity * PERIOD
        path.append((tool.copy(), gripper, cube.copy()))
        over += made.is_over(tool)
        if over * PERIOD > OperatorConfig().confirm:
            break
    return path, made


@pytest.mark.parametrize('seed', range(5))
def test_the_hand_closes_beside_the_cube_and_comes_up(seed):
    path, made = attempt(0.0, seed)
    assert made.is_over(path[-1][0]) and made.phase is Phase.LIFT
    closing = next(tool for tool, gripper, _ in path if gripper < 0.4)
    grasp = closing[:2] + OperatorConfig().grasp_offset * made.forward(closing)
    away = np.linalg.norm(grasp - CUBE[:2])
    assert BESIDE[0] - 0.01 < away < BESIDE[1] + 0.01
    assert path[-1][1] == GRIPPER_CLOSED and path[-1][0][2] > 0.1


def test_the_cube_is_lifted_too_little():
    path, made = attempt(0.02)
    assert made.is_over(path[-1][0])
    assert 0.012 < max(cube[2] for _, _, cube in path) - CUBE[2] < 0.025


def test_half_of_the_lift_that_a_task_wants():
    simulation = scene_of('grasp_lift').simulation
    assert Lifted(body='cube', by=0.04) in simulation.success
    assert low_lift(simulation) == 0.02
    assert low_lift(scene_of('reach').simulation) == 0.0
    assert all(isinstance(each, Near) for each in scene_of('reach').simulation.success)
