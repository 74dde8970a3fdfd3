"""The driver switches the leader's torque by the actor's mode, and off if the actor is silent."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import greatest_step, running, wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.leader_torque import SILENCE, LeaderTorque
from so101_node.modes import LEADER_TORQUE

pytestmark = pytest.mark.timing

WITH_TORQUE = [mode for mode, on in LEADER_TORQUE.items() if on]
WITHOUT_TORQUE = [mode for mode, on in LEADER_TORQUE.items() if on is False] + ['UNKNOWN_MODE']


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'leader', 'leader') as emulated:
        yield emulated


@pytest.fixture
def leader(emulated):
    with running(emulated, name='leader', rest=None) as run:
        run.torque = LeaderTorque(run.arm, run.lines.append, 0.0)
        yield run


def has_torque(emulated):
    on = {servo.torque_on for servo in emulated.servos}
    assert len(on) == 1
    return on.pop()


@pytest.mark.parametrize('mode', WITHOUT_TORQUE)
def test_a_mode_without_torque_switches_it_off_without_a_service_call(emulated, leader, mode):
    leader.torque.apply_mode('POLICY', 0.0)
    assert has_torque(emulated)
    leader.torque.apply_mode(mode, 0.1)
    assert not has_torque(emulated)
    assert leader.arm.set_torque(True) == []  # by another client
    leader.torque.apply_mode(mode, 0.2)
    assert not has_torque(emulated)


def test_a_mode_with_torque_switches_it_on_once_and_set_torque_may_switch_it_off(emulated, leader):
    for mode in WITH_TORQUE:
        leader.torque.apply_mode('HUMAN', 0.0)
        leader.torque.apply_mode(mode, 0.1)
        assert has_torque(emulated), mode
    assert leader.arm.set_torque(False) == []
    leader.torque.apply_mode(mode, 0.2)
    assert not has_torque(emulated)


def test_in_estop_the_leader_stays_as_it_is(emulated, leader):
    leader.torque.apply_mode('ESTOP', 0.0)
    assert not has_torque(emulated)
    leader.torque.apply_mode('POLICY', 0.1)
    leader.torque.apply_mode('ESTOP', 0.2)
    assert has_torque(emulated)


def test_torque_goes_off_when_the_actor_is_silent(emulated, leader):
    leader.torque.check_silence(100.0)  # no status was ever received: nothing to do
    assert leader.arm.set_torque(True) == []
    leader.torque.check_silence(200.0)
    assert has_torque(emulated)
    leader.torque.apply_mode('POLICY', 300.0)
    leader.torque.check_silence(300.0 + SILENCE)
    assert has_torque(emulated)
    leader.torque.check_silence(300.1 + SILENCE)
    assert not has_torque(emulated)
    leader.torque.apply_mode('POLICY', 310.0)  # it was only slow
    assert has_torque(emulated)


def test_torque_found_at_start_goes_off_unless_an_actor_publishes_its_status(emulated):
    for mode, on in (('POLICY', True), ('', False)):
        with running(emulated, name='leader', rest=None) as run:
            assert run.arm.set_torque(True) == []
            run.arm.torque.on = False  # as if killed: it ends with torque on
            run.arm.servos.torque = lambda *_: []
        with running(emulated, name='leader', rest=None) as run:
            torque = LeaderTorque(run.arm, run.lines.append, 50.0)
            if mode:
                torque.apply_mode(mode, 50.5)
            torque.check_silence(50.3 + SILENCE)
            assert has_torque(emulated) is on


def test_a_servo_that_keeps_its_torque_is_switched_again_at_each_status(emulated, leader):
    leader.torque.apply_mode('POLICY', 0.0)
    emulated.servos[1].overload(refusals=3)  # two tries each time
    leader.torque.apply_mode('HUMAN', 0.1)
    assert emulated.servos[1].torque_on
    leader.torque.apply_mode('HUMAN', 0.2)
    assert not has_torque(emulated)
    assert any(
        'HUMAN' in line and 'shoulder_lift: torque off: refused' in line for line in leader.lines
    )


def test_an_overload_is_cleared_by_the_next_mode_with_torque(emulated, leader):
    faults = leader.arm.servos.faults
    leader.torque.apply_mode('READY', 0.0)
    emulated.servos[2].overload()
    wait_for(faults.sentence)
    leader.torque.apply_mode('READY', 0.1)
    assert faults.sentence() == 'overload of elbow_flex'
    leader.torque.apply_mode('HUMAN', 0.2)
    leader.torque.apply_mode('POLICY', 0.3)
    assert faults.sentence() == '' and has_torque(emulated)
    leader.command(np.zeros(6))  # accepted again


def test_a_fault_that_persists_is_not_cleared_by_a_mode(emulated, leader):
    leader.torque.apply_mode('HUMAN', 0.0)
    emulated.servos[2].heat = 60.0
    wait_for(leader.arm.servos.faults.sentence)
    leader.torque.apply_mode('POLICY', 0.1)
    assert leader.arm.servos.faults.sentence() == 'overheat of elbow_flex'
    assert 'leader: elbow_flex: still overheat' in leader.lines


def test_the_leader_is_aligned_to_the_follower_at_align_speed(emulated):
    with running(emulated, name='leader', rest=None, align_speed=0.8) as run:
        LeaderTorque(run.arm, run.lines.append, 0.0).apply_mode('POLICY', 0.0)
        target = np.array([0.6, -0.2, 0.1, 0.2, -0.1, 0.9])
        began = time.monotonic()
        run.command_until(target, lambda: run.position[0] > 0.5)  # on its way
        assert time.monotonic() - began > 0.5 / 0.8
        assert greatest_step(emulated) <= 0.8 * 0.01
        run.command_until(target, lambda: run.arm.setpoint.aligned)
        run.command_until(-target, lambda: run.position[0] < 0.0)
        assert 0.8 * 0.01 < greatest_step(emulated) <= 2.0 * 0.01


def test_torque_that_a_mode_switched_off_stays_off_after_a_reconnection(emulated, leader):
    leader.torque.apply_mode('POLICY', 0.0)
    emulated.unplug_port()
    wait_for(lambda: leader.arm.lost)
    leader.torque.apply_mode('HUMAN', 0.1)
    emulated.plug_port()
    wait_for(lambda: leader.arm.reconnects == 1, 6.0)
    leader.torque.apply_mode('HUMAN', 0.2)
    assert not has_torque(emulated)
    leader.arm.command(JOINTS, np.zeros(6), time.time_ns())
    time.sleep(0.05)
    assert not has_torque(emulated)
