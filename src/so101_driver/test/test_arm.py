"""One arm on emulated servos, with a real pseudo-terminal, the real SDK and a real thread."""

import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import greatest_step, running, wait_for
import numpy as np
import pytest

from so101_description.joints import JOINTS, REST
from so101_driver import settling
from so101_driver.driver_node import CLOSE_TIME
from so101_driver.rest import REST_DEADLINE
from so101_driver.servos import SILENCE
from so101_driver.stop import Stop
from so101_node.errors import CellError
from so101_sim.sts3215 import LOCK

pytestmark = [pytest.mark.slow, pytest.mark.timing]


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as emulated:
        yield emulated


def test_a_command_is_reached_within_the_speed_limit(emulated):
    with running(emulated) as run:
        assert run.arm.set_torque(True) == []
        target = np.array([0.4, -0.3, 0.2, 0.1, -0.2, 1.0])
        run.command_until(target, lambda: np.allclose(run.position, target, atol=0.003))
        assert greatest_step(emulated) <= 2.0 * 0.01
        stamps = np.array([state[0] for state in run.states])
        assert np.all(np.diff(stamps) >= 0)


def test_torque_on_does_not_move_the_arm(emulated):
    emulated.servos[1].memory[42:44] = b'\x20\x03'  # an old goal position, far away
    with running(emulated) as run:
        before = run.position.copy()
        assert run.arm.set_torque(True) == []
        assert all(servo.torque_on for servo in emulated.servos)
        time.sleep(0.1)
        assert np.allclose(run.position, before, atol=0.002)
        assert run.arm.set_torque(False) == []
        assert not any(servo.torque_on for servo in emulated.servos)


@pytest.mark.parametrize('patience, lost', [(1.0, True), (100.0, False)])
def test_the_arm_of_a_simulated_cell_waits_longer_for_silent_servos(emulated, patience, lost):
    with running(emulated, patience=patience) as run:
        emulated.bus.connected = False
        time.sleep(SILENCE + 0.5)
        emulated.bus.connected = True
        count = len(run.states)
        wait_for(lambda: len(run.states) > count, 20.0)
        assert any('silent for 0.5 s' in line for line in run.lines) is lost
        assert run.arm.reconnects == int(lost)


def test_a_command_with_torque_off_has_no_effect_then_or_after_torque_on(emulated):
    with running(emulated) as run:
        before = run.position.copy()
        run.command(np.full(6, 0.5))
        time.sleep(0.05)
        assert not any(servo.torque_on for servo in emulated.servos)
        run.arm.set_torque(True)
        time.sleep(0.1)
        assert np.allclose(run.position, before, atol=0.002)


def test_a_stale_command_holds_short_of_the_target(emulated):
    with running(emulated, max_speed=1.0) as run:
        run.arm.set_torque(True)
        run.command([1.5, 0, 0, 0, 0, 0.8])
        wait_for(lambda: run.arm.setpoint.stale == 1)
        time.sleep(0.3)
        held = run.position.copy()
        assert 0.15 < held[0] < 0.4
        time.sleep(0.1)
        assert np.allclose(run.position, held, atol=0.002)


@pytest.mark.parametrize(
    'names, positions, word',
    [
        (JOINTS, [0, 0, float('nan'), 0, 0, 0], 'elbow_flex'),
        (JOINTS, [0] * 5, '5 positions'),
        (JOINTS[:5] + ('grip',), [0] * 6, 'grip'),
    ],
)
def test_a_bad_command_is_refused_and_counted(emulated, names, positions, word):
    with running(emulated) as run:
        with pytest.raises(CellError, match=word):
            run.arm.command(names, positions, time.time_ns())
        assert run.arm.refused == 1


def test_eeprom_is_written_once_and_locked_again(tmp_path):
    with EmulatedArm(tmp_path / 'port', configured=False) as emulated:
        with running(emulated) as run:
            assert any('shoulder_pan: registers' in line for line in run.lines)
            assert np.allclose(run.position[:5], 0.0, atol=0.002)
        assert all(servo.memory[LOCK] == 1 for servo in emulated.servos)
        tables = [bytes(servo.memory[:40]) for servo in emulated.servos]
        with running(emulated) as run:
            assert not any('registers' in line for line in run.lines)
        assert [bytes(servo.memory[:40]) for servo in emulated.servos] == tables


def test_an_arm_found_holding_keeps_its_pose(emulated):
    with running(emulated):
        pass  # the settings are written
    for servo in emulated.servos:
        servo.write(42, (2200).to_bytes(2, 'little'))
    time.sleep(0.5)
    where = [servo.sensed.position for servo in emulated.servos]
    with running(emulated) as run:
        assert run.arm.torque.on
        time.sleep(0.1)
        now = [servo.sensed.position for servo in emulated.servos]
        assert np.allclose(now, where, atol=2)


def test_a_missing_servo_is_named_at_start(emulated):
    emulated.servos[3].power_cycle(False)
    with pytest.raises(CellError, match='wrist_flex: .*servo 4 does not answer'):
        with running(emulated):
            pass


def test_another_model_is_refused(emulated):
    emulated.servos[2].memory[3:5] = b'\x05\x02'
    with pytest.raises(CellError, match=r'servo 3 \(elbow_flex\) is model 517'):
        with running(emulated):
            pass


def test_at_the_end_the_arm_rests_switches_torque_off_and_closes_the_port_in_time(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        target = np.array([1.2, 0.5, 0.5, -0.5, 1.0, 1.2])
        run.command_until(target, lambda: np.allclose(run.position, target, atol=0.01))
        began = time.monotonic()
        run.arm.close()
        assert run.arm.wait_closed(3.5)
        assert time.monotonic() - began < 3.0
        assert np.allclose(run.position[:5], REST[:5], atol=0.1)
        assert greatest_step(emulated) <= 2.0 * 0.01
        assert abs(run.position[5] - 1.2) < 0.02  # the gripper keeps its opening
        assert not any(servo.torque_on for servo in emulated.servos)
        assert not emulated.is_open()
        assert [line.split(': ')[1].split(' after')[0] for line in run.lines[-3:]] == [
            'at rest',
            'torque off',
            'port closed',
        ]


def test_with_a_blocked_joint_torque_still_goes_off_in_time_and_is_logged(emulated, monkeypatch):
    torque_off = 0.7  # s, with retries
    assert REST_DEADLINE + torque_off <= CLOSE_TIME
    monkeypatch.setattr('so101_driver.rest.REST_DEADLINE', 0.4)
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.hold = {2}
        run.arm.close()
        assert run.arm.wait_closed(0.4 + torque_off)
        assert any('from rest after' in line for line in run.lines)
        assert not any(servo.torque_on for servo in emulated.servos)


def test_a_servo_that_refuses_is_reported_and_the_others_obey(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        stuck = emulated.servos[1]
        stuck.faults = 32
        write = stuck.write
        stuck.write = lambda address, data: None if address == 40 else write(address, data)
        problems = run.arm.set_torque(False)
        assert len(problems) == 1
        assert 'shoulder_lift: torque off: refused (overload)' in problems[0]
        assert [servo.torque_on for servo in emulated.servos] == [False, True] + [False] * 4


def test_a_servo_that_refuses_once_is_switched_again(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.servos[1].overload(refusals=1)
        assert run.arm.set_torque(False) == []


def test_locked_joints_do_not_move(emulated):
    locked = np.array([joint == 'wrist_roll' for joint in JOINTS])
    with running(emulated, locked=locked) as run:
        run.arm.set_torque(True)
        before = run.position[4]
        target = np.full(6, 0.3)
        run.command_until(target, lambda: abs(run.position[0] - 0.3) < 0.01)
        assert abs(run.position[4] - before) < 0.002


def test_an_arm_whose_cycles_are_all_late_keeps_its_limits_and_serves_requests_and_stops(emulated):
    far = np.array([1.2, -1.0, 0.9, 0.4, 0.5, 0.6])
    with running(emulated, rate=1000.0) as run:
        assert run.arm.set_torque(True) == []
        for servo in emulated.servos:
            servo.setpoints.clear()
        start = run.position.copy()
        run.command_until(far, lambda: np.abs(run.position - start).max() > 0.4, 10.0)
        assert run.arm.cycle.late > 100
        assert greatest_step(emulated) <= 2.0 * 0.001
        assert np.array_equal(run.accepted[-1][1], far)
        emulated.servos[2].power_cycle(False)  # too short to be missed in the answers
        emulated.servos[2].power_cycle(True)
        run.command_until(far, lambda: run.arm.cycle.restarts.counts[2] == 1)
        run.stop.set(Stop.HOLD, 'the test')
        assert run.arm.enforce_stop() == []
        time.sleep(settling.TIME + 0.1)  # then no setpoint moves
        count, held = run.arm.cycle.count, run.arm.setpoint.position
        wait_for(lambda: run.arm.cycle.count > count + 100)
        assert np.array_equal(run.arm.setpoint.position, held)
        run.stop.clear()
        assert run.arm.end_stop() == run.arm.set_torque(False) == []
        assert not any(servo.torque_on for servo in emulated.servos)
