"""One arm with lost answers, silent servos, a lost port and servo faults."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import greatest_step, running, wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.diagnostics import ArmDiagnostics
from so101_driver.stop import Stop
from so101_node.errors import CellError
from so101_sim.sts3215 import PROTECTION_TIME

pytestmark = [pytest.mark.slow, pytest.mark.timing]


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as emulated:
        yield emulated


def hold_hard(emulated, run):
    """Block the gripper and command it to a setpoint far inside the object."""
    emulated.hold = {6}
    jaw = run.position[5]
    run.command_until(
        np.array([0, 0, 0, 0, 0, jaw - 0.5]), lambda: run.arm.setpoint.position[5] < jaw - 0.4
    )


def status_of(diagnostics, name):
    return next(s for s in diagnostics.statuses() if s.name == name)


def test_a_lost_answer_makes_the_stamp_older_and_affects_no_other_servo(emulated):
    with running(emulated) as run:
        wait_for(lambda: len(run.states) > 20)
        emulated.faults.inject('drop', servo=3, count=9)
        count = len(run.states)
        wait_for(lambda: run.arm.servos.missed[2] >= 5)
        wait_for(lambda: len(run.states) > count + 10)
        stamps = np.array([state[0] for state in run.states])
        assert np.any(np.diff(stamps) == 0)  # the message has the time of its oldest value
        assert np.all(np.diff(stamps) >= 0)


def test_a_lost_servo_is_named_and_the_arm_continues_when_it_answers_again(emulated):
    with running(emulated, rest=None) as run:
        run.arm.set_torque(True)
        emulated.servos[2].power_cycle(False)
        wait_for(lambda: run.arm.lost)
        assert 'servo 3 (elbow_flex)' in run.arm.lost
        status = ArmDiagnostics(run.arm).statuses()[0]
        assert status.level == b'\x02' and 'reconnecting' in status.message
        with pytest.raises(CellError, match='refused.*elbow_flex'):
            run.command(np.zeros(6))
        emulated.servos[2].power_cycle(True)
        emulated.servos[2].sensed = emulated.servos[2].sensed._replace(position=1500.0)
        wait_for(lambda: not run.arm.lost and run.states[-1][0] > time.time_ns() - 5e7, 6.0)
        assert run.arm.torque.on and run.arm.reconnects == 1
        time.sleep(0.1)
        assert abs(emulated.servos[2].sensed.position - 1500.0) <= 2  # held where it fell


def fail_supply(run, emulated, joints=range(6)):
    """Let the supply of these servos fail for long enough to lose the link."""
    for i in joints:
        emulated.servos[i].power_cycle(False)
    wait_for(lambda: run.arm.lost)
    for i in joints:
        emulated.servos[i].power_cycle(True)
    wait_for(lambda: run.arm.reconnects == 1, 6.0)


def test_an_arm_whose_supply_failed_stays_limp_until_a_person_clears_that(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(np.full(6, 0.2), lambda: np.allclose(run.position, 0.2, atol=0.01))
        fail_supply(run, emulated)
        for _ in range(10):  # what a node sends that does not know of it
            with pytest.raises(
                CellError, match='its supply failed and it is limp; .*clear_faults'
            ):
                run.command(np.full(6, 0.3))
            assert 'call follower/clear_faults' in run.arm.set_torque(True)[0]
        assert not run.arm.torque.on and not any(s.torque_on for s in emulated.servos)
        status = ArmDiagnostics(run.arm).statuses()[0]
        assert status.level == b'\x02' and 'its supply failed' in status.message
        assert any('take your hands away' in line for line in run.lines)
        assert run.arm.clear_faults() == []
        assert not any(s.torque_on for s in emulated.servos)  # torque is a request of its own
        for servo in emulated.servos:
            servo.setpoints.clear()
        assert run.arm.set_torque(True) == []
        run.command_until(np.full(6, 0.3), lambda: np.allclose(run.position, 0.3, atol=0.01))
        assert greatest_step(emulated) <= 2.0 * 0.01


SUNK = (2, 3, 4, 5)  # behind a plug in the middle of the arm


def has_torque(emulated):
    return [servo.torque_on for servo in emulated.servos]


@pytest.mark.parametrize('stopped', [False, True])
def test_joints_whose_supply_failed_stay_limp_and_the_others_hold(emulated, stopped):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(np.full(6, 0.2), lambda: np.allclose(run.position, 0.2, atol=0.01))
        if stopped:
            run.stop.set(Stop.HOLD, 'test')
            assert run.arm.enforce_stop() == []
        held = [servo.goal for servo in emulated.servos]
        fail_supply(run, emulated, SUNK)
        fallen = emulated.servos[2]
        fallen.sensed = fallen.sensed._replace(position=fallen.sensed.position - 300.0)
        time.sleep(0.2)
        partly = [i not in SUNK for i in range(6)]
        assert has_torque(emulated) == partly
        assert [servo.goal for servo in emulated.servos[:2]] == held[:2]
        why = 'stop' if stopped else 'no torque in elbow_flex, .*: the supply failed there'
        with pytest.raises(CellError, match=why):
            run.command(np.full(6, 0.3))
        assert run.arm.set_torque(True) != [] and has_torque(emulated) == partly
        if stopped:
            run.stop.clear()
            assert run.arm.end_stop() == []
        assert run.arm.clear_faults() == [] and has_torque(emulated) == partly
        for servo in emulated.servos:
            servo.setpoints.clear()
        assert run.arm.set_torque(True) == [] and all(has_torque(emulated))
        assert abs(fallen.goal - fallen.sensed.position) <= 2  # held where it fell
        assert [servo.goal for servo in emulated.servos[:2]] == held[:2]
        run.command_until(np.full(6, 0.3), lambda: np.allclose(run.position, 0.3, atol=0.01))
        assert greatest_step(emulated) <= 2.0 * 0.01


def test_what_still_holds_goes_on_holding_if_the_driver_ends_in_a_stop(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.stop.set(Stop.HOLD, 'test')
        assert run.arm.enforce_stop() == []
        fail_supply(run, emulated, SUNK)
    assert has_torque(emulated) == [i not in SUNK for i in range(6)]


def test_after_a_reconnection_a_leaders_torque_waits_for_a_fresh_command(emulated):
    with running(emulated, rest=None) as run:
        run.arm.set_torque(True)
        run.command_until(np.full(6, 0.2), lambda: np.allclose(run.position, 0.2, atol=0.01))
        fail_supply(run, emulated)
        time.sleep(0.1)
        assert not run.arm.torque.on and not any(s.torque_on for s in emulated.servos)
        for servo in emulated.servos:
            servo.setpoints.clear()
        run.command_until(np.full(6, 0.3), lambda: np.allclose(run.position, 0.3, atol=0.01))
        assert run.arm.torque.on
        assert greatest_step(emulated) <= 2.0 * 0.01


def test_torque_switched_off_while_the_link_is_down_stays_off(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        for servo in emulated.servos:
            servo.power_cycle(False)
        wait_for(lambda: run.arm.lost)
        assert run.arm.set_torque(False)
        for servo in emulated.servos:
            servo.power_cycle(True)
        wait_for(lambda: run.arm.reconnects == 1, 6.0)
        run.command(np.zeros(6))
        time.sleep(0.1)
        assert not any(s.torque_on for s in emulated.servos)


def test_a_fault_is_latched_stops_the_arm_and_is_cleared_on_request(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command([1.5, 0, 0, 0, 0, 0.8])
        elbow = emulated.servos[2]
        elbow.overload()
        wait_for(lambda: run.arm.servos.faults.latched[2])
        with pytest.raises(CellError, match='overload of elbow_flex; .*follower/clear_faults'):
            run.command(np.zeros(6))
        wait_for(lambda: run.arm.setpoint.holding)
        status = status_of(ArmDiagnostics(run.arm), 'driver: follower: elbow_flex')
        assert (status.level, status.message) == (b'\x02', 'overload')
        assert run.arm.clear_faults() == []
        assert elbow.torque_on and not elbow.error
        run.command(np.zeros(6))


def test_a_fault_that_persists_is_not_cleared_and_is_reported(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.servos[1].heat = 60.0
        wait_for(lambda: run.arm.servos.faults.latched[1])
        assert run.arm.clear_faults() == ['shoulder_lift: still overheat']
        emulated.servos[1].heat = 0.0
        wait_for(lambda: run.arm.clear_faults() == [])


def test_an_error_bit_that_flickers_is_no_fault(emulated):
    with running(emulated) as run:
        for _ in range(3):
            emulated.servos[0].faults = 1
            wait_for(lambda: run.arm.servos.errors[0])
            emulated.servos[0].faults = 0
            wait_for(lambda: not run.arm.servos.errors[0])
        assert run.arm.servos.faults.sentence() == '' or run.arm.cycle.late


def test_an_overloaded_gripper_loosens_its_grip_and_recovers(emulated, monkeypatch):
    monkeypatch.setattr('so101_driver.grip.REGRIP', 0.2)
    with running(emulated) as run:
        run.arm.set_torque(True)
        jaw = run.position[5]
        hold_hard(emulated, run)
        emulated.servos[5].overload()
        wait_for(lambda: abs(run.arm.setpoint.position[5] - jaw) <= 0.051)
        assert run.arm.servos.faults.sentence() == ''
        wait_for(lambda: not emulated.servos[5].error)  # torque went off and on again
        wait_for(lambda: not run.arm.servos.faults.grip_overloaded)
        assert emulated.servos[5].torque_on and run.arm.grip.loosened == 1


@pytest.mark.parametrize('patience, overloads', [(0.1, False), (9.0, True)])
def test_a_gripper_under_high_load_lowers_its_torque_before_the_servo_reports_an_overload(
    emulated, monkeypatch, patience, overloads
):
    monkeypatch.setattr('so101_driver.grip.PATIENCE', patience)
    gripper = emulated.servos[5]
    gripper.memory[PROTECTION_TIME] = 50  # 0.5 s instead of 2
    with running(emulated) as run:
        run.arm.set_torque(True)
        hold_hard(emulated, run)
        run.command_until(
            np.array([0, 0, 0, 0, 0, -0.1]),
            lambda: overloads == bool(gripper.error) and (overloads or run.arm.grip.eased),
        )
        if overloads:
            return  # the emulated servo does report an overload
        end = time.monotonic() + 1.0  # twice the protection time
        run.command_until(np.array([0, 0, 0, 0, 0, -0.1]), lambda: time.monotonic() > end)
        assert not gripper.error and run.arm.grip.loosened == 0 and run.arm.grip.eased == 1
        assert abs(gripper.sensed.load) == pytest.approx(0.2)  # it still grips
        emulated.hold = set()
        run.command_until(np.array([0, 0, 0, 0, 0, 1.0]), lambda: gripper.torque_limit == 0.5)


def test_torque_is_limited_from_the_first_start(emulated):
    assert [servo.torque_limit for servo in emulated.servos] == [1.0] * 6
    with running(emulated):
        assert [servo.torque_limit for servo in emulated.servos] == [0.7] * 5 + [0.5]


@pytest.mark.parametrize('hard, overloads', [(None, False), (9.0, True)])
def test_an_arm_that_pushes_against_the_table_is_not_overloaded(
    emulated, monkeypatch, hard, overloads
):
    if hard:  # neither limit: not of the torque, nor of the lead at a load
        monkeypatch.setattr('so101_driver.configure.ARM_TORQUE', 1000)
        monkeypatch.setattr('so101_driver.follow.HARD', hard)
    lift = emulated.servos[1]
    lift.memory[PROTECTION_TIME] = 50  # 0.5 s instead of 2
    with running(emulated, setpoint_lead=0.5) as run:
        run.arm.set_torque(True)
        emulated.hold = {2}
        end = time.monotonic() + 1.0
        target = run.position + [0, 0.3, 0, 0, 0, 0]
        try:
            run.command_until(target, lambda: lift.error or time.monotonic() > end)
        except CellError as error:
            assert overloads and 'overload of shoulder_lift' in str(error)
        assert bool(lift.error) == overloads
        assert overloads or abs(lift.sensed.load) > 0.25  # it still pushes


def test_commands_with_old_future_or_missing_stamps_are_refused_and_counted(emulated):
    with running(emulated) as run:
        for stamp, words in (
            (time.time_ns() - 10**9, r'stamped 1\.\d+ s ago, the limit is 0.25 s'),
            (time.time_ns() + 10**9, 'in the future'),
            (0, 'without a time stamp'),
        ):
            with pytest.raises(CellError, match=words):
                run.arm.command(JOINTS, np.zeros(6), stamp)
        assert run.arm.refused == 3


def test_rates_in_diagnostics_count_since_the_last_message(emulated):
    with running(emulated) as run:
        diagnostics = ArmDiagnostics(run.arm)
        emulated.faults.inject('drop', count=20)
        wait_for(lambda: emulated.faults.applied == 20)
        time.sleep(0.05)
        first, second = (
            {v.key: v.value for v in diagnostics.statuses()[0].values} for _ in range(2)
        )
        assert int(first['answers_lost']) >= 20 and float(first['answers_lost_per_s']) > 5
        assert float(second['answers_lost_per_s']) == 0
        status = status_of(diagnostics, 'driver: follower: gripper')
        values = {v.key: v.value for v in status.values}
        assert values['voltage_v'] == '12.0' and values['temperature_c'] == '30'


@pytest.mark.slow
def test_an_answer_with_another_servos_id_moves_no_joint(emulated):
    """Checksum and length are right; the angle is the one of another joint."""
    pose = np.array([1.0, -0.5, 0.5, -1.2, 1.5, 0.5])
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(pose, lambda: np.allclose(run.position, pose, atol=0.01))
        for servo in emulated.servos:
            servo.setpoints.clear()
        measured = []
        for servo in range(1, 6):
            emulated.faults.inject('wrong_id', servo=servo)  # now that of the next servo
            emulated.faults.inject('drop', servo=servo + 1)
            for _ in range(4):
                run.command(pose)
                measured.append(run.position)
                time.sleep(0.02)
        assert emulated.faults.applied == 10
        assert greatest_step(emulated) < 0.005
        assert np.abs(np.array(measured) - pose).max() < 0.02
        run.stop.set(Stop.HOLD, 'the test')
        emulated.faults.inject('wrong_id', servo=4)
        emulated.faults.inject('drop', servo=5)
        time.sleep(0.2)
        assert greatest_step(emulated) < 0.005


@pytest.mark.slow
def test_a_joint_that_was_moved_between_two_answers_is_believed_at_the_second(emulated):
    with running(emulated) as run:
        lift, missed = emulated.servos[1], run.arm.servos.missed[1]
        lift.sensed = lift.sensed._replace(position=lift.sensed.position - 900.0)
        there = run.arm.calibration.to_rad(np.full(6, lift.present_position))[1]
        wait_for(lambda: abs(run.position[1] - there) < 0.01, 0.5)
        assert 1 <= run.arm.servos.missed[1] - missed <= 4
