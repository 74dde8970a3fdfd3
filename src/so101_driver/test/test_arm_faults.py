"""One arm when answers, servos, its port or its health fail."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import greatest_step, running, wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS
from so101_driver.diagnostics import ArmDiagnostics
from so101_node.errors import CellError
from so101_sim.sts3215 import PROTECTION_TIME


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as emulated:
        yield emulated


def hold_hard(emulated, run):
    """The gripper pushes against something, goal far inside it."""
    emulated.hold = {6}
    jaw = run.position[5]
    run.command_until(
        np.array([0, 0, 0, 0, 0, jaw - 0.5]), lambda: run.arm.setpoint.position[5] < jaw - 0.4
    )


def status_of(diagnostics, name):
    return next(s for s in diagnostics.statuses() if s.name == name)


def test_one_lost_answer_ages_the_joint_state_and_costs_no_other_servo(emulated):
    with running(emulated) as run:
        wait_for(lambda: len(run.states) > 20)
        emulated.faults.inject('drop', servo=3, count=5)
        count = len(run.states)
        wait_for(lambda: run.arm.servos.missed[2] >= 5)
        wait_for(lambda: len(run.states) > count + 10)
        stamps = np.array([state[0] for state in run.states])
        assert np.any(np.diff(stamps) == 0)  # the oldest value's time is the message's
        assert np.all(np.diff(stamps) >= 0)


def test_a_servo_lost_for_long_is_named_and_the_arm_goes_on_when_it_is_back(emulated):
    with running(emulated) as run:
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
        assert run.arm.torque_on and run.arm.reconnects == 1
        time.sleep(0.1)
        assert abs(emulated.servos[2].sensed.position - 1500.0) <= 2  # held where it fell


def test_a_port_that_comes_back_is_used_again_and_torque_waits_for_a_fresh_command(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(np.full(6, 0.2), lambda: np.allclose(run.position, 0.2, atol=0.01))
        emulated.unplug_port()
        wait_for(lambda: run.arm.lost)
        for servo in emulated.servos:
            servo.power_cycle(False)
            servo.power_cycle(True)
        emulated.plug_port()
        wait_for(lambda: run.arm.reconnects == 1, 6.0)
        time.sleep(0.1)
        assert not run.arm.torque_on and not any(s.torque_on for s in emulated.servos)
        for servo in emulated.servos:
            servo.goals.clear()
        run.command_until(np.full(6, 0.3), lambda: np.allclose(run.position, 0.3, atol=0.01))
        assert run.arm.torque_on
        assert greatest_step(emulated) <= 2.0 * 0.01


def test_torque_switched_off_during_a_break_stays_off(emulated):
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


def test_a_fault_is_latched_stops_the_arm_and_is_cleared_by_the_servos_recovery(emulated):
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


def test_a_fault_that_stays_is_not_cleared_and_said_to_stay(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.servos[1].heat = 60.0
        wait_for(lambda: run.arm.servos.faults.latched[1])
        assert run.arm.clear_faults() == ['shoulder_lift: still overheat']
        emulated.servos[1].heat = 0.0
        wait_for(lambda: run.arm.clear_faults() == [])


def test_a_flicker_of_an_error_bit_is_no_fault(emulated):
    with running(emulated) as run:
        for _ in range(3):
            emulated.servos[0].faults = 1
            wait_for(lambda: run.arm.servos.errors[0])
            emulated.servos[0].faults = 0
            wait_for(lambda: not run.arm.servos.errors[0])
        assert run.arm.servos.faults.sentence() == '' or run.arm.late_cycles


def test_an_overloaded_gripper_loosens_and_goes_on(emulated, monkeypatch):
    monkeypatch.setattr('so101_driver.grip.REGRIP', 0.2)
    with running(emulated) as run:
        run.arm.set_torque(True)
        jaw = run.position[5]
        hold_hard(emulated, run)
        emulated.servos[5].overload()
        wait_for(lambda: abs(run.arm.setpoint.position[5] - jaw) <= 0.051)
        assert run.arm.servos.faults.sentence() == ''
        wait_for(lambda: not emulated.servos[5].error)  # let go once, and on again
        wait_for(lambda: not run.arm.servos.faults.grip_overloaded)
        assert emulated.servos[5].torque_on and run.arm.grip.loosened == 1


@pytest.mark.parametrize('patience, overloads', [(0.1, False), (9.0, True)])
def test_a_gripper_that_holds_hard_is_eased_before_the_servo_takes_it_for_overloaded(
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
            return  # so the emulated servo does
        end = time.monotonic() + 1.0  # twice the protection time
        run.command_until(np.array([0, 0, 0, 0, 0, -0.1]), lambda: time.monotonic() > end)
        assert not gripper.error and run.arm.grip.loosened == 0 and run.arm.grip.eased == 1
        assert abs(gripper.sensed.load) == pytest.approx(0.2)  # it still squeezes
        emulated.hold = set()
        run.command_until(np.array([0, 0, 0, 0, 0, 1.0]), lambda: gripper.torque_limit == 0.5)


def test_torque_is_limited_from_the_first_start_on(emulated):
    assert [servo.torque_limit for servo in emulated.servos] == [1.0] * 6
    with running(emulated):
        assert [servo.torque_limit for servo in emulated.servos] == [0.7] * 5 + [0.5]


@pytest.mark.parametrize('torque, overloads', [(None, False), (1000, True)])
def test_an_arm_that_pushes_against_the_table_is_not_overloaded(
    emulated, monkeypatch, torque, overloads
):
    if torque:
        monkeypatch.setattr('so101_driver.configure.ARM_TORQUE', torque)
    lift = emulated.servos[1]
    lift.memory[PROTECTION_TIME] = 50  # 0.5 s instead of 2
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.hold = {2}
        end = time.monotonic() + 1.0
        target = run.position + [0, 0.3, 0, 0, 0, 0]
        try:
            run.command_until(target, lambda: lift.error or time.monotonic() > end)
        except CellError as error:
            assert overloads and 'overload of shoulder_lift' in str(error)
        assert bool(lift.error) == overloads
        assert overloads or abs(lift.sensed.load) == pytest.approx(0.7)  # it still pushes


def test_commands_not_of_now_are_refused_counted_and_named(emulated):
    with running(emulated) as run:
        for stamp, words in (
            (time.time_ns() - 10**9, r'stamped 1\.\d+ s ago, the limit is 0.25 s'),
            (time.time_ns() + 10**9, 'in the future'),
            (0, 'without a time stamp'),
        ):
            with pytest.raises(CellError, match=words):
                run.arm.command(JOINTS, np.zeros(6), stamp)
        assert run.arm.refused == 3


def test_rates_in_diagnostics_are_of_the_time_since_the_last(emulated):
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
