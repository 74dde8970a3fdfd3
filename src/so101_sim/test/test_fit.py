"""A body that fits narrowly: the operator lowers it only while it is over the hole."""

import numpy as np
import pytest

from so101_sim.expert import Expert, OperatorConfig, Phase

TARGET = np.array([0.24, 0.06, 0.0])


def lowering(fit, away):
    """Return the velocity (3,) of an expert that holds a body `away` (m) beside the target."""
    config = OperatorConfig(puts=True, fit=fit, grasp=0.042, lift=0.14, release_height=0.036)
    expert = Expert(config, np.random.default_rng(0))
    expert.phase = Phase.LOWER
    cube = TARGET + [away, 0.0, 0.08]
    tool = cube - [expert.config.grasp_offset, 0.0, -0.01]
    velocity, _ = expert.desired_velocity(0.0, tool, 0.2, cube, TARGET)
    assert expert.phase is Phase.LOWER
    return velocity


@pytest.mark.parametrize('away', [-0.004, 0.0013, 0.01])
def test_beside_the_hole_it_moves_over_it_and_comes_no_further_down(away):
    velocity = lowering(0.0012, away)
    assert velocity[2] == 0.0 and velocity[0] * away < 0.0


@pytest.mark.parametrize('fit, away', [(0.0012, 0.001), (0.0, 0.01)])
def test_over_the_hole_or_without_one_it_comes_down(fit, away):
    assert lowering(fit, away)[2] < -0.03


def test_a_finger_does_not_come_down_on_a_body_that_stands():
    config = OperatorConfig(puts=True, fit=0.0012, grasp=0.042, perception_error=0.0)
    expert = Expert(config, np.random.default_rng(0))
    expert.phase, peg = Phase.DESCEND, np.array([0.24, 0.0, 0.03])
    for away, comes_down in ((0.006, False), (0.002, True)):
        tool = np.array([0.24 - config.grasp_offset - away, 0.0, 0.075])
        velocity, _ = expert.desired_velocity(0.0, tool, 0.6, peg, TARGET)
        assert bool(velocity[2] < 0.0) is comes_down and velocity[0] > 0.0
