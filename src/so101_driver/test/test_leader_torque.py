"""The leader lets go by itself when the mode, or the silence of the actor, says so."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import greatest_step, running, wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.leader_torque import SILENCE, LeaderTorque
from so101_node.modes import LEADER_TORQUE

STIFF = [mode for mode, on in LEADER_TORQUE.items() if on]
FREE = [mode for mode, on in LEADER_TORQUE.items() if not on] + ['A_MODE_OF_LATER']


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'leader', 'leader') as emulated:
        yield emulated


@pytest.fixture
def leader(emulated):
    with running(emulated, name='leader', rest=None) as run:
        run.torque = LeaderTorque(run.arm, run.lines.append, 0.0)
        yield run


def stiff(emulated):
    on = {servo.torque_on for servo in emulated.servos}
    assert len(on) == 1
    return on.pop()


@pytest.mark.parametrize('mode', FREE)
def test_a_mode_that_leaves_the_leader_to_the_hand_lets_it_go_without_any_call(
    emulated, leader, mode
):
    leader.torque.hear('POLICY', 0.0)
    assert stiff(emulated)
    leader.torque.hear(mode, 0.1)
    assert not stiff(emulated)
    assert leader.arm.set_torque(True) == []  # by somebody who does not know
    leader.torque.hear(mode, 0.2)
    assert not stiff(emulated)


def test_a_mode_that_gives_torque_does_so_once_and_set_torque_may_take_it_away(emulated, leader):
    for mode in STIFF:
        leader.torque.hear('HUMAN', 0.0)
        leader.torque.hear(mode, 0.1)
        assert stiff(emulated), mode
    assert leader.arm.set_torque(False) == []
    leader.torque.hear(mode, 0.2)
    assert not stiff(emulated)


def test_a_dead_actor_leaves_no_stiff_leader(emulated, leader):
    leader.torque.check(100.0)  # nobody was ever heard: nothing to do
    assert leader.arm.set_torque(True) == []
    leader.torque.check(200.0)
    assert stiff(emulated)
    leader.torque.hear('POLICY', 300.0)
    leader.torque.check(300.0 + SILENCE)
    assert stiff(emulated)
    leader.torque.check(300.1 + SILENCE)
    assert not stiff(emulated)
    leader.torque.hear('POLICY', 310.0)  # it was only slow
    assert stiff(emulated)


def test_a_leader_found_stiff_goes_free_unless_an_actor_speaks(emulated):
    for mode, on in (('POLICY', True), ('', False)):
        with running(emulated, name='leader', rest=None) as run:
            assert run.arm.set_torque(True) == []
            run.arm.torque_on = False  # as if killed: it ends without letting go
            run.arm.servos.torque = lambda *_: []
        with running(emulated, name='leader', rest=None) as run:
            torque = LeaderTorque(run.arm, run.lines.append, 50.0)
            if mode:
                torque.hear(mode, 50.5)
            torque.check(50.3 + SILENCE)
            assert stiff(emulated) is on


def test_a_servo_that_does_not_let_go_is_asked_again_at_each_status(emulated, leader):
    leader.torque.hear('POLICY', 0.0)
    emulated.servos[1].overload(refusals=3)  # two tries each time
    leader.torque.hear('HUMAN', 0.1)
    assert emulated.servos[1].torque_on
    leader.torque.hear('HUMAN', 0.2)
    assert not stiff(emulated)
    assert any(
        'HUMAN' in line and 'shoulder_lift: torque off: refused' in line for line in leader.lines
    )


def test_an_overload_by_a_hand_that_held_on_is_over_when_the_leader_was_free(emulated, leader):
    faults = leader.arm.servos.faults
    leader.torque.hear('READY', 0.0)
    emulated.servos[2].overload()
    wait_for(faults.sentence)
    leader.torque.hear('READY', 0.1)
    assert faults.sentence() == 'overload of elbow_flex'
    leader.torque.hear('HUMAN', 0.2)
    leader.torque.hear('POLICY', 0.3)
    assert faults.sentence() == '' and stiff(emulated)
    leader.command(np.zeros(6))  # refused no more


def test_a_fault_that_is_still_there_is_not_cleared_by_a_mode(emulated, leader):
    leader.torque.hear('HUMAN', 0.0)
    emulated.servos[2].heat = 60.0
    wait_for(leader.arm.servos.faults.sentence)
    leader.torque.hear('POLICY', 0.1)
    assert leader.arm.servos.faults.sentence() == 'overheat of elbow_flex'
    assert 'leader: elbow_flex: still overheat' in leader.lines


def test_the_leader_is_aligned_to_the_follower_at_its_own_speed(emulated):
    with running(emulated, name='leader', rest=None, align_speed=0.8) as run:
        LeaderTorque(run.arm, run.lines.append, 0.0).hear('POLICY', 0.0)
        target = np.array([0.6, -0.2, 0.1, 0.2, -0.1, 0.9])
        began = time.monotonic()
        run.command_until(target, lambda: run.position[0] > 0.5)  # on its way
        assert time.monotonic() - began > 0.5 / 0.8
        assert greatest_step(emulated) <= 0.8 * 0.01
        run.command_until(target, lambda: run.arm.setpoint.aligned)
        run.command_until(-target, lambda: run.position[0] < 0.0)
        assert 0.8 * 0.01 < greatest_step(emulated) <= 2.0 * 0.01


def test_a_link_that_breaks_meanwhile_does_not_bring_the_torque_back(emulated, leader):
    leader.torque.hear('POLICY', 0.0)
    emulated.unplug_port()
    wait_for(lambda: leader.arm.lost)
    leader.torque.hear('HUMAN', 0.1)
    emulated.plug_port()
    wait_for(lambda: leader.arm.reconnects == 1, 6.0)
    leader.torque.hear('HUMAN', 0.2)
    assert not stiff(emulated)
    leader.arm.command(JOINTS, np.zeros(6), time.time_ns())
    time.sleep(0.05)
    assert not stiff(emulated)
