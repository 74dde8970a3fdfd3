"""Each preflight check: it passes in a cell in order and fails when its input is broken."""

from dataclasses import replace
import time
from types import SimpleNamespace

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
import numpy as np
import pytest

from hilserl_actor.loop.preflight import (
    DISCOVERY_TIME,
    Preflight,
    PreflightInputs,
    limits_problem,
    table,
)
from so101_description.collision import Collision
from so101_node.errors import CellError

LINK = {'reconnects': '0', 'link_steady_s': '9.0'}


class FakeInputs:
    """A cell in order; tests break one part."""

    def __init__(self, role='train', leader=True, reward_topic=True):
        self.bench, self.policy = SimulatedBench(), make_policy()
        self.kinematics = SimpleNamespace(
            ready=lambda: True, solve=self.bench.solve, contact=self.bench.contact
        )
        self.grey, self.fault = 120, ''
        self.sensors = SimpleNamespace(
            poll=self.poll,
            joints={'follower': 1, 'leader': 1},
            reward=object(),
            follower_rate=lambda: self.rate,
        )
        self.drivers = self.recorders = 1
        self.command = ''
        self.limits = 'model', 'model'  # of driver and FK service
        self.rate = 100.0
        self.preflight = Preflight(
            PreflightInputs(
                SCHEMA,
                self.kinematics,
                self.sensors,
                lambda: self.policy,
                lambda: self.drivers,
                lambda: self.recorders,
                lambda: self.command,
                limits_problem=lambda: limits_problem(*self.limits),
            ),
            role,
            leader,
            reward_topic,
        )
        self.preflight.diagnosed.note('driver: follower', 0, 'holding', LINK)

    def poll(self):
        if self.fault:
            raise CellError(self.fault)
        image = np.full(SCHEMA.cameras[0].shape, self.grey, np.uint8)
        return replace(self.bench.sensed(), images=(image,))

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
            lambda c: c.preflight.diagnosed.note(
                'driver: follower',
                2,
                'overload of elbow_flex; clear with follower/clear_faults',
                LINK,
            ),
            'follower: overload of elbow_flex',
        ),
        (
            lambda c: c.preflight.diagnosed.note(
                'driver: leader', 0, 'torque off', {'reconnects': '3', 'link_steady_s': '1.2'}
            ),
            'leader: its bus was lost and reconnected 3 times, the last time 1.2 s ago; check',
        ),
        (
            lambda c: setattr(c.bench.kinematics_core, 'collision', Collision(0.1)),
            'on the way to the start pose (0.25, -0.00, 0.06) m the gripper would be',
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


def test_a_bus_that_was_lost_passes_again_when_it_has_held():
    cell = FakeInputs()
    for steady, problems in (('4.9', 1), ('5.1', 0)):
        cell.preflight.diagnosed.note(
            'driver: follower', 0, 'holding', {'reconnects': '7', 'link_steady_s': steady}
        )
        assert len(cell.problems()) == problems


def test_the_preflight_command_waits_for_a_steady_link_and_for_the_rate_of_the_camera():
    for role, problems in (('train', 0), ('preflight', 2)):
        cell = FakeInputs(role)
        cell.preflight.diagnosed.note(
            'driver: follower', 0, 'holding', {'reconnects': '0', 'link_steady_s': '1.0'}
        )
        cell.preflight.diagnosed.note(
            'camera: wrist_camera', 1, '', {'rate_hz': '15.1', 'rate_wanted_hz': '30.0'}
        )
        assert len(cell.problems()) == problems, role
    assert cell.problems()[0] == 'follower: its bus is up for 1.0 s, not yet 2 s'
    assert 'delivers 15.1 images/s of 30.0; use more light' in cell.problems()[1]


def test_each_slow_camera_is_named_and_their_number_is_bounded():
    cell = FakeInputs('preflight')
    for i in range(1000):
        name = f'camera: c{i:03}_camera'
        values = {'rate_hz': '5', 'rate_wanted_hz': '30'}
        cell.preflight.diagnosed.note(name, 1, '', values)
    (sentence,) = cell.problems()
    assert 'c000_camera delivers 5.0 images/s of 30.0' in sentence
    assert sentence.count('_camera delivers') == 15  # and one driver


def test_a_driver_or_camera_of_another_make_need_not_tell_these_values():
    cell = FakeInputs('preflight')
    cell.preflight.diagnosed.note('driver: follower', 0, 'holding', {})
    cell.preflight.diagnosed.note('camera: wrist_camera', 0, 'ok', {'rate_hz': 'unknown'})
    assert cell.problems() == []


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


def test_joint_limits_that_differ_between_driver_and_fk_service_are_refused():
    cell = FakeInputs()
    assert cell.limits == ('model', 'model') and cell.problems() == []
    cell.limits = 'model', ''  # not known yet
    assert cell.problems() == []
    cell.limits = 'model', 'contact'
    (problem,) = cell.problems()
    assert 'the driver has joint_limits model, the FK service contact' in problem
