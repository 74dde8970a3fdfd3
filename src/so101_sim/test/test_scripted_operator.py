"""When the scripted operator presses which key."""

import math

import numpy as np
import pytest

from so101_description.kinematics import Kinematics
from so101_sim.expert import OperatorConfig
from so101_sim.scripted_operator import PERIOD, Operator, Seen

MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
ON_TABLE = np.array([0.25, 0.0, 0.0125])
config = OperatorConfig()
kinematics = Kinematics()


def arm_at(x=0.25, y=0.0, z=0.07):
    return kinematics.solve([x, y, z], math.pi / 2, 0.0, 0.6, MIDDLE).q


class Bench:
    """Time and a scene for one operator; notes the keys it presses, with the time."""

    def __init__(self, role='intervene', grabs=0.0):
        self.operator = Operator(role, 0, OperatorConfig(grabs=grabs))
        self.now, self.mode, self.successes = 0.0, 'IDLE', 0
        self.follower = self.leader = arm_at()
        self.cube, self.keys, self.hands = ON_TABLE, [], 0

    def look(self, seconds, mode=None, **scene):
        """Look for so long; returns the keys pressed meanwhile."""
        self.mode = mode or self.mode
        self.__dict__.update(scene)
        begun = len(self.keys)
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            deed = self.operator.act(
                self.now, Seen(self.mode, self.successes, self.follower, self.leader, self.cube)
            )
            self.hands += deed.hand is not None
            if deed.key:
                self.keys.append((self.now, deed.key))
            if deed.key == 'place':
                self.operator.placed = True
        return [key for _, key in self.keys[begun:]]

    def to_policy(self):
        self.look(0.3, 'RESET', follower=arm_at(z=0.15))
        self.look(0.6, 'READY', follower=arm_at())


def test_it_lays_the_cube_out_once_a_reset_and_only_under_a_raised_arm():
    bench = Bench()
    assert bench.look(1.0, 'RESET', follower=arm_at(z=0.05)) == []
    assert bench.look(1.0, follower=arm_at(z=0.15)) == ['place']
    assert bench.look(1.0, follower=arm_at(z=0.07)) == []
    bench.look(0.5, 'READY')
    bench.look(0.5, 'POLICY')
    assert bench.look(3.0, 'RESET', follower=arm_at(z=0.15)) == ['place']


def test_it_starts_after_a_humans_delay():
    bench = Bench()
    bench.look(0.3, 'RESET', follower=arm_at(z=0.15))
    assert bench.look(0.25, 'READY') == []
    assert bench.look(0.3) == ['start']


def test_it_never_starts_without_the_cube_in_place():
    bench = Bench()
    bench.operator.__class__ = type(
        'Unlucky', (Operator,), {'placed': property(lambda self: False, lambda self, value: None)}
    )
    assert set(bench.look(5.0, 'READY')) == {'place'}


def test_it_takes_over_when_nothing_gets_better_and_lets_go_in_time():
    bench = Bench()
    bench.to_policy()
    assert bench.look(config.patience - 0.1, 'POLICY') == []
    assert bench.look(0.3) == ['intervene']
    assert bench.look(config.guide - 0.1, 'HUMAN') == [] and bench.hands > 40
    assert bench.look(0.3) == ['release']
    hands = bench.hands
    assert bench.look(1.0, 'POLICY') == [] and bench.hands == hands


def test_it_may_push_the_leader_instead_and_lets_go_of_it_to_give_back():
    bench = Bench(grabs=1.0)
    bench.to_policy()
    bench.look(config.patience, 'POLICY')
    assert bench.look(0.5) == [] and bench.hands > 5  # it pushes
    assert bench.look(config.guide - 0.1, 'HUMAN') == []
    hands = bench.hands
    assert bench.look(2.0) == []
    assert bench.hands <= hands + 5  # hands off, no key


def test_a_push_that_is_not_felt_becomes_a_key():
    bench = Bench(grabs=1.0)
    bench.to_policy()
    assert bench.look(config.patience + 2.5, 'POLICY') == ['intervene']


def test_it_leaves_a_policy_that_gets_closer_alone():
    bench = Bench()
    bench.to_policy()
    for z in np.linspace(0.12, 0.03, 16):
        assert bench.look(0.5, 'POLICY', follower=arm_at(z=z)) == []


def test_it_takes_over_at_once_when_the_arm_goes_astray():
    bench = Bench()
    bench.to_policy()
    assert bench.look(0.5, 'POLICY', follower=arm_at(y=0.13)) == ['intervene']


def test_it_says_failure_when_the_cube_is_lost_and_success_when_it_is_up():
    bench = Bench()
    bench.to_policy()
    assert bench.look(0.8, 'POLICY', cube=ON_TABLE + [0.0, 0.095, 0.0]) == ['failure']
    bench.look(0.3, 'RESET', cube=ON_TABLE)
    bench.to_policy()
    assert bench.look(0.3, 'POLICY', cube=ON_TABLE + [0.0, 0.0, 0.05]) == []
    assert bench.look(0.4) == ['success']


@pytest.mark.parametrize('alone', [True, False])
def test_it_helps_a_policy_that_manages_alone_seldom_and_one_that_does_not_always(alone):
    bench, helped = Bench(), 0
    for _ in range(60):
        bench.to_policy()
        helped += bench.look(config.patience + 0.5, 'POLICY').count('intervene')
        if helped and not alone:
            bench.look(0.5, 'HUMAN')
        bench.successes += 1  # an episode that its own help brought to success is no proof
        bench.look(0.3, 'RESET')
    assert helped < 35 if alone else helped == 60


def test_it_drives_a_demonstration_to_the_end():
    bench = Bench('demonstrate')
    bench.to_policy()
    assert bench.look(9.0, 'HUMAN') == [] and bench.hands == 180


def test_it_only_watches_an_evaluation():
    bench = Bench('watch')
    bench.to_policy()
    assert [key for _, key in bench.keys] == ['place', 'start']
    assert bench.look(9.0, 'EVAL', cube=ON_TABLE + [0.0, 0.0, 0.05]) == [] and bench.hands == 0
