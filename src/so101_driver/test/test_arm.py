"""One arm on emulated servos: real pty, real SDK, real thread."""
from contextlib import contextmanager
import threading
import time

from emulated_arm import EmulatedArm
import numpy as np
import pytest

from so101_description.errors import CellError
from so101_description.joints import JOINTS, REST
from so101_driver.arm import Arm
from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.diagnostics import ArmDiagnostics
from so101_driver.goal import Limits
from so101_driver.servos import IDS
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

    def __init__(self, emulated, rest=REST, locked=FREE, max_speed=2.0, rate=100.0):
        self.states, self.lines, self.error, self.told_at = [], [], None, []
        self.bus = Bus(emulated.port, IDS, answer_timeout=0.01)  # a busy machine answers late
        self.arm = Arm(
            'follower', self.bus, load_calibration(calibration_path('follower')),
            Limits(max_speed, max_speed, 0.25, 60.0, locked, rest), rate=rate,
            publish=self.tell, log=self.lines.append)
        self.steps = []                # rad, of each goal over the one before
        advance = self.arm.goal.advance

        def watched(*args):
            before = self.arm.goal.position
            self.steps.append(np.abs(advance(*args) - before).max())
            return self.arm.goal.position
        self.arm.goal.advance = watched

    def tell(self, *state):
        self.told_at.append(time.time_ns())
        self.states.append(state)

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

    def command(self, target):
        self.arm.command(JOINTS, target, time.time_ns())

    def command_until(self, target, condition, timeout=3.0):
        def commanded():
            self.command(target)
            return condition()
        wait_for(commanded, timeout)


@contextmanager
def running(emulated, **options):
    run = Running(emulated, **options)
    try:
        run.start()
        yield run
    finally:
        run.arm.torque_on = False            # the tests of the exit call close() themselves
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
        assert np.all(np.diff(stamps) >= 0)


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
    emulated.servos[3].power_cycle(False)
    with pytest.raises(CellError, match='wrist_flex: .*servo 4 does not answer'):
        with running(emulated):
            pass


def test_another_model_is_refused(emulated):
    emulated.servos[2].memory[3:5] = b'\x05\x02'
    with pytest.raises(CellError, match=r'servo 3 \(elbow_flex\) is model 517'):
        with running(emulated):
            pass


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
        assert np.any(np.diff(stamps) == 0)        # the oldest value's time is the message's
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
        assert abs(emulated.servos[2].sensed.position - 1500.0) <= 2    # held where it fell


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
        wait_for(lambda: run.arm.goal.holding)
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


def test_an_overloaded_gripper_loosens_and_goes_on(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.hold = {6}
        jaw = run.position[5]
        run.command_until(np.array([0, 0, 0, 0, 0, jaw - 0.5]),
                          lambda: run.arm.goal.position[5] < jaw - 0.4)
        emulated.servos[5].overload()
        wait_for(lambda: abs(run.arm.goal.position[5] - jaw) <= 0.051)
        assert run.arm.servos.faults.sentence() == ''
        wait_for(lambda: not emulated.servos[5].error)         # let go once, and on again
        wait_for(lambda: not run.arm.servos.faults.grip_overloaded)
        assert emulated.servos[5].torque_on and run.arm.grip.loosened == 1


def test_commands_not_of_now_are_refused_counted_and_named(emulated):
    with running(emulated) as run:
        for stamp, words in ((time.time_ns() - 10**9, r'stamped 1\.\d+ s ago, the limit is 0.25 s'),
                             (time.time_ns() + 10**9, 'in the future'),
                             (0, 'without a time stamp')):
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
            {v.key: v.value for v in diagnostics.statuses()[0].values} for _ in range(2))
        assert int(first['answers_lost']) >= 20 and float(first['answers_lost_per_s']) > 5
        assert float(second['answers_lost_per_s']) == 0
        status = status_of(diagnostics, 'driver: follower: gripper')
        values = {v.key: v.value for v in status.values}
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


def test_a_servo_that_refuses_once_is_asked_again(emulated):
    with running(emulated) as run:
        run.arm.set_torque(True)
        emulated.servos[1].overload(refusals=1)
        assert run.arm.set_torque(False) == []


def test_locked_joints_stay(emulated):
    locked = np.array([joint == 'wrist_roll' for joint in JOINTS])
    with running(emulated, locked=locked) as run:
        run.arm.set_torque(True)
        before = run.position[4]
        target = np.full(6, 0.3)
        run.command_until(target, lambda: abs(run.position[0] - 0.3) < 0.01)
        assert abs(run.position[4] - before) < 0.002
