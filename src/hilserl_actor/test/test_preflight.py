"""Each preflight check: it passes in a cell in order and fails when its input is broken."""

import time
from types import SimpleNamespace

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
import numpy as np
import pytest

from hilserl_actor.loop.preflight import DISCOVERY_TIME, Preflight, PreflightInputs, table
from so101_node.errors import CellError


class FakeInputs:
    """A cell in order; tests break one part."""

    def __init__(self, role='train', leader=True, reward_topic=True):
        self.bench, self.policy = SimulatedBench(), make_policy()
        self.kinematics = SimpleNamespace(ready=lambda: True, solve=self.bench.solve)
        self.grey, self.fault = 120, ''
        self.sensors = SimpleNamespace(
            poll=self.poll,
            joints={'follower': 1, 'leader': 1},
            reward=object(),
            follower_rate=lambda: self.rate,
        )
        self.drivers = self.recorders = 1
        self.rate = 100.0
        self.preflight = Preflight(
            PreflightInputs(
                SCHEMA,
                self.kinematics,
                self.sensors,
                lambda: self.policy,
                lambda: self.drivers,
                lambda: self.recorders,
            ),
            role,
            leader,
            reward_topic,
        )
        self.preflight.note_diagnostic('driver: follower', 0, 'holding')

    def poll(self):
        if self.fault:
            raise CellError(self.fault)
        return SimpleNamespace(images=[np.full(SCHEMA.cameras[0].shape, self.grey, np.uint8)])

    def problems(self):
        return [c.problem for c in self.preflight.run() if c.problem]


@pytest.mark.parametrize('role', ['train', 'record', 'eval', 'preflight'])
def test_a_cell_in_order_passes(role):
    assert FakeInputs(role).problems() == []


def broken_policy(cell):
    cell.policy.act = lambda *_: np.full(4, np.nan, np.float32)


@pytest.mark.parametrize(
    'break_it, sentence',
    [
        (lambda c: setattr(c.kinematics, 'ready', lambda: False), 'FK service does not run'),
        (lambda c: setattr(c, 'fault', 'wrist_camera image is 900 ms old'), '900 ms old'),
        (lambda c: setattr(c, 'grey', 2), 'mean grey level is 2,'),
        (lambda c: setattr(c, 'grey', 255), 'mean grey level is 255,'),
        (lambda c: setattr(c, 'drivers', 2), '2 drivers publish follower/joint_states'),
        (
            lambda c: setattr(c.bench, 'kinematics_error', 'solve_pose: out of reach'),
            'out of reach',
        ),
        (
            lambda c: c.preflight.note_diagnostic(
                'driver: follower', 2, 'overload of elbow_flex; clear with follower/clear_faults'
            ),
            'follower: overload of elbow_flex',
        ),
        (lambda c: c.sensors.joints.pop('leader'), 'no leader joint state'),
        (lambda c: setattr(c, 'policy', None), 'no policy yet'),
        (broken_policy, 'use another policy'),
        (lambda c: setattr(c, 'recorders', 0), 'no node records'),
        (lambda c: setattr(c.sensors, 'reward', None), 'no node publishes hilserl/reward'),
    ],
)
def test_a_broken_part_is_reported_in_one_line(break_it, sentence):
    cell = FakeInputs()
    break_it(cell)
    (problem,) = cell.problems()
    assert sentence in problem and '\n' not in problem
    assert 'FAIL' in table(cell.preflight.run())


def test_a_driver_that_died_does_not_count_as_a_second_one():
    cell = FakeInputs()
    preflight = cell.preflight
    assert preflight.second_cell_problem() == ''
    cell.rate = 0.0
    assert preflight.second_cell_problem() == ''
    cell.drivers, cell.rate = 2, 100.0  # the dead one is still announced
    assert preflight.second_cell_problem() == ''
    cell.rate = 170.0
    assert '2 drivers' in preflight.second_cell_problem()


def test_two_drivers_that_stay_announced_count_as_two_at_any_rate(monkeypatch):
    cell = FakeInputs()
    preflight = cell.preflight
    assert preflight.second_cell_problem() == ''
    cell.drivers, cell.rate = 2, 100.0
    assert preflight.second_cell_problem() == ''
    now = time.monotonic()
    monkeypatch.setattr(
        'hilserl_actor.loop.preflight.time.monotonic', lambda: now + DISCOVERY_TIME + 1.0
    )
    assert '2 drivers' in preflight.second_cell_problem()


def test_a_cell_without_leader_and_reward_topic_passes():
    cell = FakeInputs(leader=False, reward_topic=False)
    cell.sensors.joints.pop('leader')
    cell.sensors.reward = None
    assert cell.problems() == []
