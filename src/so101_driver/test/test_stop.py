"""A stop in the driver: it latches, from every state of the arm, whoever asks for motion."""

from contextlib import contextmanager
import threading
import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running, wait_for
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_driver.setpoint import SAG
from so101_driver.stop import Stop, StopLatch
from so101_node.errors import CellError

pytestmark = [pytest.mark.slow, pytest.mark.timing]

FAR = [1.2, 0.3, -0.3, 0.4, 0.5, 0.6]


@contextmanager
def in_motion(tmp_path, **options):
    """An arm on its way to FAR."""
    with EmulatedArm(tmp_path / 'port') as emulated, running(emulated, **options) as run:
        assert run.arm.set_torque(True) == []
        start = run.position.copy()
        run.command_until(FAR, lambda: np.abs(run.position - start).max() > 0.2)
        yield emulated, run


def stop(run, kind):
    run.stop.set(kind, 'the test')
    problems = run.arm.enforce_stop()
    time.sleep(0.05)  # until the emulated servos have read it from their port
    return problems


def goals(emulated):
    return [servo.setpoints[-1] for servo in emulated.servos]


def test_a_hold_stops_a_motion_at_once_and_refuses_every_command(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        assert stop(run, Stop.HOLD) == []
        held, at = goals(emulated), run.position.copy()
        for _ in range(20):
            with pytest.raises(CellError, match='a stop is in force .the test.: the arms hold'):
                run.command([0.0] * 6)
            time.sleep(0.02)
        assert goals(emulated) == held
        assert np.abs(run.position - at)[:5].max() < 0.05
        assert all(servo.torque_on for servo in emulated.servos)


def test_a_hold_brings_the_setpoint_of_a_joint_that_something_holds_near_it(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        emulated.hold = {1}
        ahead = lambda: run.arm.setpoint.position[0] - run.position[0]  # noqa: E731
        run.command_until(FAR, lambda: ahead() > SAG + 0.05)
        assert stop(run, Stop.HOLD) == []
        assert abs(ahead()) < SAG + 0.01


def test_a_release_leaves_every_servo_without_torque_and_refuses_torque(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        assert stop(run, Stop.RELEASE) == []
        assert not any(servo.torque_on for servo in emulated.servos)
        written = [len(servo.setpoints) for servo in emulated.servos]
        assert 'a stop is in force' in run.arm.set_torque(True)[0]
        assert 'a stop is in force' in run.arm.clear_faults()[0]
        time.sleep(0.2)
        assert not any(servo.torque_on for servo in emulated.servos)
        # a goal that is written to an STS3215 switches its torque on
        assert [len(servo.setpoints) for servo in emulated.servos] == written


def test_during_a_stop_the_arm_does_not_go_to_rest(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        stop(run, Stop.HOLD)
        held = goals(emulated)
        object.__setattr__(run.arm.limits, 'rest_after', 0.1)
        time.sleep(0.5)
        assert goals(emulated) == held


def test_after_the_end_of_a_stop_the_arm_holds_until_a_new_command(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        stop(run, Stop.HOLD)
        held = goals(emulated)
        object.__setattr__(run.arm.limits, 'rest_after', 0.6)
        run.stop.clear()
        assert run.arm.end_stop() == []
        time.sleep(0.3)  # the stop does not count as time without commands
        assert goals(emulated) == held
        run.command_until(FAR, lambda: np.abs(run.position - FAR).max() < 0.05)


def test_the_first_motion_after_a_stop_is_as_slow_as_an_alignment(tmp_path):
    with in_motion(tmp_path, align_speed=0.5) as (_, run):
        run.command_until(FAR, lambda: run.arm.setpoint.aligned, 5.0)
        stop(run, Stop.HOLD)
        run.stop.clear()
        assert run.arm.end_stop() == []
        steps, held = len(run.steps), run.position.copy()
        back = [-0.5, 0.3, -0.3, 0.4, 0.5, 0.6]
        run.command_until(back, lambda: held[0] - run.position[0] > 0.2, 5.0)
        assert max(run.steps[steps:]) <= 0.5 / 100.0 + 1e-9


def test_a_stop_ends_a_wait_for_faults_to_clear(tmp_path):
    with EmulatedArm(tmp_path / 'port') as emulated, running(emulated) as run:
        run.arm.set_torque(True)
        emulated.servos[2].faults = 32
        wait_for(lambda: run.arm.servos.faults.sentence())
        answers = []
        thread = threading.Thread(target=lambda: answers.append(run.arm.clear_faults()))
        thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        assert stop(run, Stop.RELEASE) == []
        assert time.monotonic() - began < 0.35
        thread.join(3.0)
        assert not any(servo.torque_on for servo in emulated.servos)


def test_a_stop_on_the_way_to_rest_at_the_end_ends_it_and_the_arm_keeps_holding(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        run.arm.close()
        time.sleep(0.3)
        stop(run, Stop.HOLD)
        assert run.arm.wait_closed(3.0)
        held = goals(emulated)
        assert all(servo.torque_on for servo in emulated.servos)
        assert any('KEEPS HOLDING' in line for line in run.lines)
        assert goals(emulated) == held


def test_a_lost_link_during_a_stop_is_not_called_in_force_and_holds_after_it(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        emulated.unplug_port()
        wait_for(lambda: run.arm.lost)
        assert stop(run, Stop.HOLD) != []
        emulated.plug_port()
        wait_for(lambda: not run.arm.lost, 5.0)
        held = goals(emulated)
        with pytest.raises(CellError, match='a stop is in force'):
            run.command(FAR)
        time.sleep(0.2)
        assert np.abs(np.subtract(goals(emulated), held)).max() <= 1


def test_a_second_stop_does_not_move_a_loaded_arm(tmp_path):
    with in_motion(tmp_path) as (emulated, run):
        stop(run, Stop.HOLD)
        held = goals(emulated)
        for _ in range(5):
            assert stop(run, Stop.HOLD) == []
        assert goals(emulated) == held


@given(st.lists(st.sampled_from(['hold', 'release', 'clear'])))
def test_a_hold_never_ends_a_release(events):
    latch, expected = StopLatch(), Stop.RUNNING
    for event in events:
        if event == 'clear':
            latch.clear()
            expected = Stop.RUNNING
        else:
            kind = Stop[event.upper()]
            latch.set(kind, event)
            expected = max(expected, kind)
        assert latch.kind is expected
        assert bool(latch.sentence) == bool(latch) == (expected is not Stop.RUNNING)
