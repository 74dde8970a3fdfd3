"""Cases in which an arm could jump: no joint is measured to be faster than the limit."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running, wait_for
import numpy as np
import pytest

from so101_driver.diagnostics import ArmDiagnostics
from so101_driver.follow import REASON
from so101_driver.setpoint import SAG
from so101_node.errors import CellError
from so101_sim.sts3215 import (
    ACCELERATION,
    GOAL_TIME,
    GOAL_VELOCITY,
    I_GAIN,
    MAX_ACCELERATION,
    MODE,
    P_GAIN,
    STARTUP_FORCE,
    TORQUE_LIMIT,
)

pytestmark = [pytest.mark.slow, pytest.mark.timing]

TICK = 2 * np.pi / 4096
FAR = np.array([1.5, 0, 0, 0, 0, 0.8])
LIMIT = 2.0  # rad/s


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as emulated:
        yield emulated


def fastest(emulated):
    """Return the largest measured speed of a joint but the gripper, rad/s, and measure anew."""
    speed, emulated.fastest = max(emulated.fastest[:5]) * TICK, [0.0] * 6
    return speed


def lead(run):
    return np.abs(run.arm.setpoint.position - run.position)[0]


def place_outside(emulated, ticks=300):
    """Bring shoulder_pan beyond the upper end of its recorded range."""
    pan = emulated.servos[0]
    edge = pan.word(11) + (pan.sensed.position - pan.present_position)
    pan.sensed = pan.sensed._replace(position=float(edge + ticks))
    return pan


def test_a_joint_outside_its_range_is_held_there_and_comes_back_at_align_speed(emulated):
    pan = place_outside(emulated)
    at = pan.sensed.position
    with running(emulated, align_speed=0.8) as run:
        assert run.arm.set_torque(True) == []
        time.sleep(0.3)
        assert abs(pan.sensed.position - at) <= 2 and fastest(emulated) < 0.2
        assert any('shoulder_pan is outside of its recorded range' in x for x in run.lines)
        upper = run.arm.calibration.upper[0]
        run.command_until(np.full(6, upper - 0.1), lambda: run.position[0] < upper - 0.09)
        assert fastest(emulated) <= 1.1 * 0.8
        end = time.monotonic() + 0.8
        run.command_until(np.full(6, 3.0), lambda: time.monotonic() > end)
        assert run.position[0] <= upper + TICK  # it does not leave the range again


def test_the_next_start_keeps_a_held_joint_outside_and_restores_the_limits_inside(emulated):
    pan = place_outside(emulated)
    narrow, at, worn = pan.word(11), pan.sensed.position, 0
    for inside in (False, True):
        with running(emulated) as run:
            run.arm.set_torque(True)
            assert pan.eeprom_writes == (worn or pan.eeprom_writes)  # the limits stay wide
            worn = pan.eeprom_writes
            time.sleep(0.1)
            assert abs(pan.sensed.position - at) <= 2
            assert pan.word(11) > narrow
            if inside:
                run.command_until(np.zeros(6), lambda: abs(run.position[0]) < 0.1, 5.0)
                run.arm.set_torque(False)
    with running(emulated):
        assert pan.word(11) == narrow
    assert pan.eeprom_writes <= 3 + 4  # P gain at the first start, and the limits twice


def test_a_joint_past_the_end_of_its_servos_turn_gets_no_torque(emulated):
    with running(emulated) as run:
        with pytest.raises(CellError, match='shoulder_pan is past the end'):
            run.arm.servos.widen(np.array([-4.0, 0, 0, 0, 0, 0.8]))


def test_a_joint_that_is_held_and_released_does_not_snap_and_is_diagnosed(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(FAR, lambda: run.position[0] > 0.2)
        emulated.hold = {1}
        diagnostics, begin = ArmDiagnostics(run.arm), time.monotonic()
        run.command_until(FAR, lambda: run.arm.cycle.following.blocked[0])
        assert time.monotonic() - begin < 1.0
        arm, pan = diagnostics.statuses()[:2]
        assert arm.level == b'\x01' and arm.message == f'shoulder_pan {REASON}'
        assert pan.level == b'\x01' and pan.message == REASON
        run.command_until(FAR, lambda: time.monotonic() > begin + 1.5)
        assert lead(run) <= 0.2
        fastest(emulated)
        emulated.hold = set()
        run.command_until(FAR, lambda: run.position[0] > 1.45)
        assert fastest(emulated) <= 1.1 * LIMIT
        assert not run.arm.cycle.following.blocked.any()
        assert sum(REASON in line for line in run.lines) == 1


def test_a_joint_that_sags_under_its_load_keeps_its_setpoint(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        time.sleep(0.1)
        emulated.hold = {1}
        begin, target = time.monotonic(), np.array([SAG - 0.02, 0, 0, 0, 0, 0.8])
        run.command_until(target, lambda: time.monotonic() > begin + 1.0)
        assert run.arm.setpoint.position[0] == pytest.approx(target[0])
        assert not run.arm.cycle.following.blocked.any()


def test_a_broken_data_line_that_comes_back_makes_no_jump(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(FAR, lambda: run.position[0] > 0.2)
        fastest(emulated)
        begin = time.monotonic()
        emulated.connect(False)
        run.command_until(FAR, lambda: len(run.arm.servos.suspects) == 6)
        stays = run.arm.setpoint.position[0]
        run.command_until(FAR, lambda: time.monotonic() > begin + 0.43)
        assert run.arm.setpoint.position[0] == stays
        assert run.arm.setpoint.position[0] - run.position[0] <= 0.2 + 1e-9
        emulated.connect(True)
        run.command_until(FAR, lambda: run.position[0] > 1.45)
        assert fastest(emulated) <= 1.1 * LIMIT and sum(run.arm.cycle.restarts.counts) == 0


@pytest.mark.parametrize('seconds', [0.0, 0.25, 0.4])
def test_a_servo_whose_supply_fails_for_a_moment_gets_its_limits_before_its_torque(
    emulated, seconds
):
    pan, limits_at_torque, write = emulated.servos[0], [], emulated.servos[0].write
    with running(emulated) as run:
        run.arm.set_torque(True)
        run.command_until(FAR, lambda: run.position[0] > 0.2)
        fastest(emulated)

        def watched(address, data):
            write(address, data)
            if pan.torque_on:
                limits_at_torque.append((pan.word(TORQUE_LIMIT), pan.memory[ACCELERATION]))

        began = time.monotonic()
        pan.power_cycle(False)
        if seconds > 0.05:
            pan.sensed = pan.sensed._replace(position=pan.sensed.position - 400)
            time.sleep(0.2)
            fastest(emulated)  # the fall is no motion of the motor
        pan.write = watched
        run.command_until(FAR, lambda: time.monotonic() > began + seconds)
        limits_at_torque.clear()
        pan.power_cycle(True)
        back = time.monotonic()
        run.command_until(FAR, lambda: sum(run.arm.cycle.restarts.counts) or run.arm.lost)
        assert time.monotonic() - back < 0.2 and not run.arm.lost
        run.command_until(FAR, lambda: run.position[0] > 1.4, 5.0)
        assert fastest(emulated) <= 1.1 * LIMIT
        assert pan.memory[ACCELERATION] == 254 and pan.word(GOAL_VELOCITY) > 0
        if seconds > 0.05:  # it was silent for more than a cycle
            assert set(limits_at_torque) == {(700, 254)}
        line = next(line for line in run.lines if 'restarted' in line)
        assert 'shoulder_pan' in line and '12.0 V' in line and 'check the supply' in line


def test_a_restart_without_torque_stays_without_torque(emulated):
    with running(emulated) as run:
        elbow = emulated.servos[2]
        elbow.power_cycle(False)
        time.sleep(0.1)
        elbow.power_cycle(True)
        wait_for(lambda: sum(run.arm.cycle.restarts.counts) == 1)
        time.sleep(0.05)
        assert not elbow.torque_on and elbow.word(TORQUE_LIMIT) == 700


def test_registers_that_another_program_left_are_set_and_named(emulated):
    elbow = emulated.servos[2]
    for address, data in (
        (ACCELERATION, (5,)),
        (GOAL_TIME, (100, 0)),
        (GOAL_VELOCITY, (50, 0)),
        (MAX_ACCELERATION, (20,)),
        (P_GAIN, (4,)),
        (I_GAIN, (9,)),
        (STARTUP_FORCE, (200,)),
        (MODE, (1,)),
    ):
        elbow.memory[address : address + len(data)] = bytes(data)
    with running(emulated) as run:
        line = next(line for line in run.lines if 'an earlier start left' in line)
        assert 'elbow_flex' in line and 'goal velocity 50' in line and 'acceleration 5' in line
        assert 'maximum acceleration 20' in line and 'goal time 100' in line
        assert sum('an earlier start left' in line for line in run.lines) == 1
        run.arm.set_torque(True)
        target = np.array([0, 0, 1.0, 0, 0, 0.8])
        run.command_until(target, lambda: abs(run.position[2] - 1.0) < 0.02, 1.5)
    assert elbow.memory[P_GAIN] == 16 and elbow.memory[I_GAIN] == elbow.memory[MODE] == 0
    assert elbow.memory[STARTUP_FORCE] == 16 and elbow.memory[MAX_ACCELERATION] == 254
