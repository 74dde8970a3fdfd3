"""The way to rest: it ends before the arm hits itself or the table, and says so."""

from dataclasses import replace
import signal

from driver_support.driver_process import start
from driver_support.emulated_arm import EmulatedArm
from driver_support.running_arm import running
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.collision import TOUCH, Collision
from so101_description.joints import LOWER, REST, UPPER
from so101_driver.calibration import load_calibration
from so101_driver.rest import rest_warning
from so101_driver.setpoint import Limits, Setpoint
from so101_sim import calibration_path

CALIBRATION = load_calibration(calibration_path('follower'))
COLLISION = Collision()
HIGH_TABLE = Collision(0.06)  # higher than the gripper in the rest pose
poses = st.tuples(*(st.floats(low, high) for low, high in zip(LOWER, UPPER))).map(np.array)


def way_to_rest(measured, collision):
    """Return the setpoint after its way to rest, and the poses (N, 6) rad on this way."""
    limits = Limits(2.0, 2.0, 0.25, 1.0, np.zeros(6, bool), REST, 0.2, collision)
    setpoint = Setpoint(CALIBRATION, limits, 100.0)
    setpoint.reset(measured, 0.0)
    setpoint.rest()
    way = [measured]
    for cycle in range(400):
        way.append(setpoint.advance(0.01 * cycle, setpoint.position, 1.6))
    return setpoint, np.array(way)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True)
@given(poses)
def test_no_contact_grows_on_the_way_to_rest(measured):
    measured = np.clip(measured, CALIBRATION.lower, CALIBRATION.upper)
    setpoint, way = way_to_rest(measured, COLLISION)
    least = np.minimum(COLLISION.distances(measured), -TOUCH) - 1e-4
    assert all((COLLISION.distances(pose) >= least).all() for pose in way[::10])
    assert setpoint.rest_ended_by or np.allclose(way[-1][:5], REST[:5])


def test_the_way_to_rest_ends_above_a_high_table():
    setpoint, way = way_to_rest(np.zeros(6), HIGH_TABLE)
    assert setpoint.rest_ended_by == 'gripper and table'
    assert HIGH_TABLE.contact(way) == '' != HIGH_TABLE.contact(REST)
    assert np.abs(way[-1] - REST)[:5].max() > 0.1
    # The next way begins anew.
    setpoint.command(np.zeros(6), 5.0)
    setpoint.rest()
    assert setpoint.rest_ended_by == ''


@pytest.mark.slow
def test_at_the_end_an_arm_above_a_high_table_stops_there_and_says_why(tmp_path):
    with (
        EmulatedArm(tmp_path / 'port') as emulated,
        running(emulated, collision=HIGH_TABLE) as run,
    ):
        run.arm.set_torque(True)
        run.command_until(np.zeros(6), lambda: np.allclose(run.position, 0.0, atol=0.01))
        run.arm.close()
        assert run.arm.wait_closed(3.5)
        assert Collision(0.058).contact(run.position) == ''  # 2 mm for the servos' ticks
        assert not any(servo.torque_on for servo in emulated.servos)
        (line,) = (line for line in run.lines if 'way to rest' in line)
        assert 'gripper and table would collide; torque goes off now' in line


@pytest.mark.graph
@pytest.mark.slow
def test_a_driver_with_a_high_table_ends_the_way_to_rest_above_it(tmp_path, bench):
    with EmulatedArm(tmp_path / 'port') as arm:
        process = start(
            follower_port=arm.port,
            answer_timeout=0.04,
            follower_calibration=calibration_path('follower'),
            table_height=0.06,
        )
        bench.spin_until(lambda: bench.states or process.poll() is not None)
        assert bench.torque(True).success
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert 'gripper and table would collide; torque goes off now' in out + err


def test_a_rest_pose_that_cannot_be_reached_is_told_at_the_start():
    assert rest_warning(REST, CALIBRATION, COLLISION) == ''
    assert 'below the table surface (table_height 0.06 m); the arm ends' in rest_warning(
        REST, CALIBRATION, HIGH_TABLE
    )
    lower = CALIBRATION.lower.copy()
    lower[1] = -1.4  # the shoulder was recorded too short
    short = rest_warning(REST, replace(CALIBRATION, lower=lower), COLLISION)
    assert short.startswith(f'{CALIBRATION.path}: in the rest pose the gripper would be')
    assert 'record the whole range' in short
