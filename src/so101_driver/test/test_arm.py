"""One arm on emulated servos: real pty, real SDK, real thread."""
from contextlib import contextmanager
import threading
import time

from emulated_arm import EmulatedArm
import numpy as np
import pytest

from so101_description.errors import CellError
from so101_description.joints import JOINTS, REST
from so101_driver import arm as arm_module
from so101_driver.arm import IDS, Arm
from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.diagnostics import arm_diagnostics
from so101_sim import calibration_path
from so101_sim.sts3215 import LOCK

FREE = np.zeros(6, bool)


def wait_for(condition, timeout=3.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'did not happen in time'
        time.sleep(0.005)


def greatest_step(emulated):
    """Of any goal over the one before, in rad of an arm joint, but for a tick of rounding."""
    steps = [np.abs(np.diff(servo.goals)).max() for servo in emulated.servos[:5]]
    return (max(steps) - 1) * 2 * np.pi / 4096


@pytest.fixture
def emulated(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as emulated:
        yield emulated


class Running:
    """A started arm, its joint states and its lines."""

    def __init__(self, emulated, rest=REST, locked=FREE, max_speed=2.0):
        self.states, self.lines, self.error = [], [], None
        self.bus = Bus(emulated.port, IDS, answer_timeout=0.01)  # a busy machine answers late
        self.arm = Arm(
            'follower', self.bus, load_calibration(calibration_path('follower')), rate=100.0,
            max_speed=max_speed, command_timeout=0.25, locked=locked, rest=rest,
            publish=lambda *state: self.states.append(state), log=self.lines.append)

    def run(self):
        try:
            self.arm.run()
        except CellError as error:
            self.error = str(error)

    def start(self):
        self.arm.start()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.states)

    @property
    def position(self):
        return self.states[-1][1]

    def command_until(self, target, condition, timeout=3.0):
        def commanded():
            self.arm.command(JOINTS, target)
            return condition()
        wait_for(commanded, timeout)


@contextmanager
def running(emulated, **options):
    run = Running(emulated, **options)
    try:
        run.start()
        yield run
    finally:
        run.arm.rest = None                  # the tests of the exit call close() themselves
        run.arm.close()
        if hasattr(run, 'thread'):
            run.thread.join(4.0)
        run.bus.close()


def test_a_command_moves_the_arm_no_faster_than_allowed_and_is_reached(emulated):
    with running(emulated) as run:
        assert run.arm.set_torque(True) == []
        target = np.array([0.4, -0.3, 0.2, 0.1, -0.2, 1.0])
        run.command_until(target, lambda: np.allclose(run.position, target, atol=0.003))
        assert greatest_step(emulated) <= 2.0 * 0.01
        stamps = np.array([state[0] for state in run.states])
        assert np.all(np.diff(stamps) > 0)


def test_torque_on_does_not_move_the_arm_from_where_it_was_left(emulated):
    emulated.servos[1].memory[42:44] = b'\x20\x03'   # an old goal, far away
    with running(emulated) as run:
        before = run.position.copy()
        assert run.arm.set_torque(True) == []
        assert all(servo.torque_on for servo in emulated.servos)
        time.sleep(0.1)
        assert np.allclose(run.position, before, atol=0.002)
        assert run.arm.set_torque(False) == []
        assert not any(servo.torque_on for servo in emulated.servos)


def test_commands_with_torque_off_do_nothing_then_or_later(emulated):
    with running(emulated) as run:
        before = run.position.copy()
        run.arm.command(JOINTS, np.full(6, 0.5))
        time.sleep(0.05)
        assert not any(servo.torque_on for servo in emulated.servos)
        run.arm.set_torque(True)
        time.sleep(0.1)
        assert np.allclose(run.position, before, atol=0.002)


def test_a_stale_command_holds_short_of_the_target(emulated):
    with running(emulated, max_speed=1.0) as run:
        run.arm.set_torque(True)
        run.arm.command(JOINTS, [1.5, 0, 0, 0, 0, 0.8])
        wait_for(lambda: run.arm.goal.stale == 1)
        time.sleep(0.05)
        held = run.position.copy()
        assert 0.15 < held[0] < 0.4
        time.sleep(0.1)
        assert np.allclose(run.position, held, atol=0.002)


@pytest.mark.parametrize('names, positions, word', [
    (JOINTS, [0, 0, float('nan'), 0, 0, 0], 'elbow_flex'),
    (JOINTS, [0] * 5, '5 positions'),
    (JOINTS[:5] + ('grip',), [0] * 6, 'grip'),
])
def test_a_bad_command_is_refused_and_counted(emulated, names, positions, word):
    with running(emulated) as run:
        with pytest.raises(CellError, match=word):
            run.arm.command(names, positions)
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


def test_an_arm_found_holding_is_taken_over_without_a_jump(emulated):
    with running(emulated):
        pass                                   # the settings are written
    for servo in emulated.servos:
        servo.write(42, (2200).to_bytes(2, 'little'))
    time.sleep(0.5)
    where = [servo.sensed.position for servo in emulated.servos]
    with running(emulated) as run:
        assert run.arm.torque_on
        time.sleep(0.1)
        now = [servo.sensed.position for servo in emulated.servos]
        assert np.allclose(now, where, atol=2)


def test_a_missing_servo_is_named_at_start(emulated):
    emulated.unplug(4)
    with pytest.raises(CellError, match='wrist_flex: .*servo 4 does not answer'):
        with running(emulated):
            pass


def test_another_model_is_refused(emulated):
    emulated.servos[2].memory[3:5] = b'\x05\x02'
    with pytest.raises(CellError, match=r'servo 3 \(elbow_flex\) is model 517'):
        with running(emulated):
            pass


def test_a_servo_lost_on_the_way_is_counted_then_ends_the_arm_by_name(emulated, monkeypatch):
    monkeypatch.setattr(arm_module, 'SILENCE', 0.3)
    with running(emulated) as run:
        count = len(run.states)
        emulated.unplug(3)
        wait_for(lambda: run.arm.missed[2] > 5)
        assert len(run.states) > count         # the others are still published
        status = arm_diagnostics(run.arm)
        wait_for(lambda: run.error)
        assert 'servo 3 (elbow_flex) of the follower has not answered' in run.error
        assert [s.name for s in status if 'elbow_flex' in s.name] == [
            'driver: follower: elbow_flex']
        assert any('elbow_flex: torque off' in line for line in run.lines)
        wait_for(lambda: not emulated.is_open())


def test_error_bits_reach_the_diagnostics_by_name(emulated):
    with running(emulated) as run:
        emulated.servos[5].faults = 32
        wait_for(lambda: run.arm.errors[5])
        arm, *servos = arm_diagnostics(run.arm)
        assert 'gripper' in arm.message and arm.level == b'\x02'
        assert servos[5].message == 'overload'
        values = {v.key: v.value for v in servos[5].values}
        assert values['voltage_v'] == '12.0' and values['temperature_c'] == '30'


def test_exit_goes_to_rest_lets_go_and_closes_in_time(emulated):
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
        assert abs(run.position[5] - 1.2) < 0.02         # the gripper keeps its opening
        assert not any(servo.torque_on for servo in emulated.servos)
        assert not emulated.is_open()
        assert [line.split(': ')[1].split(' after')[0] for line in run.lines[-3:]] == [
            'at rest', 'torque off', 'port closed']


def test_exit_with_a_blocked_joint_lets_go_in_time_and_says_so(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.hold = {2}
        run.arm.close()
        assert run.arm.wait_closed(3.5)
        assert any('from rest after' in line for line in run.lines)
        assert not any(servo.torque_on for servo in emulated.servos)


def test_a_servo_that_refuses_is_reported_and_the_others_obey(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        stuck = emulated.servos[1]
        stuck.faults = 32
        obey = stuck.write
        stuck.write = lambda address, data: None if address == 40 else obey(address, data)
        problems = run.arm.set_torque(False)
        assert len(problems) == 1
        assert 'shoulder_lift: torque off: refused (overload)' in problems[0]
        assert [servo.torque_on for servo in emulated.servos] == [False, True] + [False] * 4


def test_locked_joints_stay(emulated):
    locked = np.array([joint == 'wrist_roll' for joint in JOINTS])
    with running(emulated, locked=locked) as run:
        run.arm.set_torque(True)
        before = run.position[4]
        target = np.full(6, 0.3)
        run.command_until(target, lambda: abs(run.position[0] - 0.3) < 0.01)
        assert abs(run.position[4] - before) < 0.002
