"""The scripted operator's keys and pulls, and their times."""

import math

import numpy as np
import pytest

from so101_description.kinematics import Kinematics
from so101_node.errors import CellError
from so101_sim.expert import OperatorConfig
from so101_sim.scripted_operator import PERIOD, OperatorObservation, ScriptedOperator

MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
ON_TABLE = np.array([0.25, 0.0, 0.0125])
config = OperatorConfig()
kinematics = Kinematics()


def arm_at(x=0.25, y=0.0, z=0.07):
    return kinematics.solve([x, y, z], math.pi / 2, 0.0, 0.6, MIDDLE).q


class Bench:
    """Time and a scene for one operator. It records the pressed keys with their times."""

    def __init__(self, role='intervene', grabs=0.0):
        self.operator = ScriptedOperator(role, 0, OperatorConfig(grabs=grabs))
        self.now, self.mode, self.successes = 0.0, 'IDLE', 0
        self.follower = self.leader = arm_at()
        self.cube, self.keys, self.pulls = ON_TABLE, [], 0
        self.success = False

    def run(self, seconds, mode=None, **scene):
        """Run the operator for `seconds`; return the keys that it pressed."""
        self.mode = mode or self.mode
        self.__dict__.update(scene)
        begun = len(self.keys)
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            action = self.operator.act(
                self.now,
                OperatorObservation(
                    self.mode,
                    self.successes,
                    self.follower,
                    self.leader,
                    self.cube,
                    self.success,
                ),
            )
            self.pulls += action.leader_pull is not None
            if action.key:
                self.keys.append((self.now, action.key))
            if action.key == 'place':
                self.operator.cube_placed = True
        return [key for _, key in self.keys[begun:]]

    def to_policy(self):
        self.run(0.3, 'RESET', follower=arm_at(z=0.15))
        self.run(0.6, 'READY', follower=arm_at())


def test_it_places_the_cube_once_per_reset_and_only_below_a_raised_arm():
    bench = Bench()
    assert bench.run(1.0, 'RESET', follower=arm_at(z=0.05)) == []
    assert bench.run(1.0, follower=arm_at(z=0.15)) == ['place']
    assert bench.run(1.0, follower=arm_at(z=0.07)) == []
    bench.run(0.5, 'READY')
    bench.run(0.5, 'POLICY')
    assert bench.run(3.0, 'RESET', follower=arm_at(z=0.15)) == ['place']


def test_it_starts_an_episode_after_a_humans_delay():
    bench = Bench()
    bench.run(0.3, 'RESET', follower=arm_at(z=0.15))
    assert bench.run(0.25, 'READY') == []
    assert bench.run(0.3) == ['start']


def test_it_never_starts_an_episode_before_the_cube_is_placed():
    bench = Bench()
    bench.operator.__class__ = type(
        'Unlucky',
        (ScriptedOperator,),
        {'cube_placed': property(lambda self: False, lambda self, value: None)},
    )
    assert set(bench.run(5.0, 'READY')) == {'place'}


def test_it_takes_over_without_progress_and_gives_back_in_time():
    bench = Bench()
    bench.to_policy()
    assert bench.run(config.patience - 0.1, 'POLICY') == []
    assert bench.run(0.3) == ['intervene']
    assert bench.run(config.guide - 0.1, 'HUMAN') == [] and bench.pulls > 40
    assert bench.run(0.3) == ['release']
    pulls = bench.pulls
    assert bench.run(1.0, 'POLICY') == [] and bench.pulls == pulls


def test_it_may_take_over_by_a_push_and_give_back_by_releasing_the_leader():
    bench = Bench(grabs=1.0)
    bench.to_policy()
    bench.run(config.patience, 'POLICY')
    assert bench.run(0.5) == [] and bench.pulls > 5  # it pushes
    assert bench.run(config.guide - 0.1, 'HUMAN') == []
    pulls = bench.pulls
    assert bench.run(2.0) == []
    assert bench.pulls <= pulls + 5  # released, no key


def test_after_a_push_without_effect_it_presses_the_key():
    bench = Bench(grabs=1.0)
    bench.to_policy()
    assert bench.run(config.patience + 2.5, 'POLICY') == ['intervene']


def test_it_does_not_take_over_from_a_policy_that_makes_progress():
    bench = Bench()
    bench.to_policy()
    for z in np.linspace(0.12, 0.03, 16):
        assert bench.run(0.5, 'POLICY', follower=arm_at(z=z)) == []


def test_it_takes_over_soon_when_the_arm_leaves_its_region():
    bench = Bench()
    bench.to_policy()
    assert bench.run(0.5, 'POLICY', follower=arm_at(y=0.13)) == ['intervene']


def test_it_marks_failure_for_a_lost_cube_and_success_only_if_the_task_is_done():
    bench = Bench()
    bench.to_policy()
    assert bench.run(0.8, 'POLICY', cube=ON_TABLE + [0.0, 0.095, 0.0]) == ['failure']
    bench.run(0.3, 'RESET', cube=ON_TABLE)
    bench.to_policy()
    assert bench.run(1.0, 'POLICY', cube=ON_TABLE + [0.0, 0.0, 0.05]) == []  # only lifted
    assert bench.run(0.3, success=True) == []
    assert bench.run(0.4) == ['success']


@pytest.mark.slow
@pytest.mark.parametrize('alone', [True, False])
def test_it_seldom_helps_a_policy_that_succeeds_alone_and_always_one_that_fails(alone):
    bench, helped = Bench(), 0
    for _ in range(60):
        bench.to_policy()
        helped += bench.run(config.patience + 0.5, 'POLICY').count('intervene')
        if helped and not alone:
            bench.run(0.5, 'HUMAN')
        bench.successes += 1  # a success with help does not count for the policy
        bench.run(0.3, 'RESET')
    assert helped < 35 if alone else helped == 60


def test_it_drives_a_demonstration_to_the_end():
    bench = Bench('demonstrate')
    bench.to_policy()
    assert bench.run(9.0, 'HUMAN') == [] and bench.pulls == 180


def test_in_the_role_watch_it_only_places_the_cube_and_starts():
    bench = Bench('watch')
    bench.to_policy()
    assert [key for _, key in bench.keys] == ['place', 'start']
    assert bench.run(9.0, 'EVAL', cube=ON_TABLE + [0.0, 0.0, 0.05]) == [] and bench.pulls == 0


def test_without_a_skill_it_never_takes_over_and_cannot_demonstrate():
    bench = Bench()
    bench.operator = ScriptedOperator('intervene', 0, OperatorConfig(has_skill=False))
    bench.to_policy()
    assert bench.run(9.0, 'POLICY') == []
    with pytest.raises(CellError, match='has no sim.skill'):
        ScriptedOperator('demonstrate', 0, OperatorConfig(has_skill=False))
