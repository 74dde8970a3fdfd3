"""Each preflight check, by breaking what it looks at."""

import time
from types import SimpleNamespace

from actor_support.bench_top import SCHEMA, BenchTop, make_policy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest

from hilserl_actor.ros.preflight import GHOST, Preflight, table
from so101_node.errors import CellError


class Cell:
    """Everything in order; tests break one part."""

    def __init__(self, role='train', leader=True, reward='topic'):
        self.bench = BenchTop()
        self.role, self.schema = role, SCHEMA
        self.options = SimpleNamespace(has_leader=leader, reward=reward)
        self.kinematics = SimpleNamespace(ready=lambda: True, solve=self.bench.solve)
        self.grey, self.fault = 120, ''
        self.senses = SimpleNamespace(
            sense=self.sense,
            joints={'follower': 1, 'leader': 1},
            reward=object(),
            follower_rate=lambda: self.rate,
        )
        self.loop = SimpleNamespace(policy=make_policy())
        self.publishers = self.subscribers = 1
        self.rate = 100.0
        self.said = [
            ('left/driver: follower', b'\x00', 'holding'),
            ('right/driver: follower', b'\x02', 'overload of gripper'),
        ]

    def sense(self):
        if self.fault:
            raise CellError(self.fault)
        return SimpleNamespace(images=[np.full(SCHEMA.cameras[0].shape, self.grey, np.uint8)])

    def count_publishers(self, _):
        return self.publishers

    def count_subscribers(self, _):
        return self.subscribers

    def get_namespace(self):
        return '/left'

    def checks(self):
        look = Preflight(self)
        look.note(
            DiagnosticArray(
                status=[
                    DiagnosticStatus(level=level, name=name, message=said)
                    for name, level, said in self.said
                ]
            )
        )
        return look.run()

    def problems(self):
        return [c.problem for c in self.checks() if c.problem]


@pytest.mark.parametrize('role', ['train', 'record', 'eval', 'preflight'])
def test_a_cell_in_order_passes(role):
    assert Cell(role).problems() == []


def broken_policy(cell):
    cell.loop.policy.act = lambda *_: np.full(4, np.nan, np.float32)


@pytest.mark.parametrize(
    'break_it, sentence',
    [
        (lambda c: setattr(c.kinematics, 'ready', lambda: False), 'FK service is not there'),
        (lambda c: setattr(c, 'fault', 'wrist_camera image is 900 ms old'), '900 ms old'),
        (lambda c: setattr(c, 'grey', 2), 'mean grey of 2'),
        (lambda c: setattr(c, 'grey', 255), 'mean grey of 255'),
        (lambda c: setattr(c, 'publishers', 2), '2 drivers publish follower/joint_states'),
        (lambda c: setattr(c.bench, 'broken', 'solve_pose: out of reach'), 'out of reach'),
        (
            lambda c: c.said.append(
                (
                    'left/driver: follower',
                    b'\x02',
                    'overload of elbow_flex; clear with follower/clear_faults',
                )
            ),
            'follower: overload of elbow_flex',
        ),
        (lambda c: c.senses.joints.pop('leader'), 'no leader joint state'),
        (lambda c: setattr(c.loop, 'policy', None), 'no policy yet'),
        (broken_policy, 'take another one'),
        (lambda c: setattr(c, 'subscribers', 0), 'nobody records'),
        (lambda c: setattr(c.senses, 'reward', None), 'nobody publishes hilserl/reward'),
    ],
)
def test_what_is_broken_is_one_line(break_it, sentence):
    cell = Cell()
    break_it(cell)
    (problem,) = cell.problems()
    assert sentence in problem and '\n' not in problem
    assert 'FAIL' in table(cell.checks())


def test_a_driver_that_died_is_no_second_one():
    cell = Cell()
    look = Preflight(cell)
    assert look.alone() == ''
    cell.rate = 0.0
    assert look.alone() == ''
    cell.publishers, cell.rate = 2, 100.0  # the dead one is still announced
    assert look.alone() == ''
    cell.rate = 170.0
    assert '2 drivers' in look.alone()


def test_two_drivers_that_stay_announced_are_two_however_slow_they_are(monkeypatch):
    cell = Cell()
    look = Preflight(cell)
    assert look.alone() == ''
    cell.publishers, cell.rate = 2, 100.0
    assert look.alone() == ''
    now = time.monotonic()
    monkeypatch.setattr('hilserl_actor.ros.preflight.time.monotonic', lambda: now + GHOST + 1.0)
    assert '2 drivers' in look.alone()


def test_a_cell_without_leader_or_judge_is_not_asked_for_them():
    cell = Cell(leader=False, reward='operator')
    cell.senses.joints.pop('leader')
    cell.senses.reward = None
    assert cell.problems() == []
