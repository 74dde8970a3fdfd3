"""A joint that was stopped in fast motion does not swing."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_driver.calibration import load_calibration
from so101_driver.setpoint import GRIPPER, Limits, Setpoint
from so101_driver.settling import NEAR, TIME, Settling
from so101_sim import calibration_path

PERIOD = 0.01  # s between two cycles
FREQUENCY, DAMPING = 39.0, 0.29  # rad/s, ratio: of the shoulder in the model
STILL = 0.01  # rad from the final angle
PAN = 0


def stopped_setpoint(measured, velocity, lead=0.0):
    free = np.zeros(6, bool)
    limits = Limits(2.0, 0.5, 0.25, 60.0, free, None, 0.2)
    setpoint = Setpoint(load_calibration(calibration_path('follower')), limits, 1 / PERIOD)
    setpoint.reset(measured + lead * np.sign(velocity), 0.0)
    setpoint.stop(measured, velocity)
    return setpoint


def path_after_a_stop(speed, lead, settling):
    """Return the angles of a joint, each ms, that was stopped at `speed` rad/s."""
    q, v = np.zeros(6), np.zeros(6)
    v[PAN] = speed
    setpoint = stopped_setpoint(q, v, lead)
    settle = Settling(setpoint)
    settle.begin(v, 0.0)
    goal, read, path = setpoint.position.copy(), (q.copy(), v.copy()), []
    for ms in range(600):
        if ms and ms % 10 == 0:
            if settling:
                settle.update(*read, 1e-3 * ms)  # what the cycle before has read
            goal, read = setpoint.position.copy(), (q.copy(), v.copy())
        v = v + 1e-3 * (FREQUENCY**2 * (goal - q) - 2 * DAMPING * FREQUENCY * v)
        q = q + 1e-3 * v
        path.append(q[PAN])
    return np.array(path)


def standstill(path):
    return 1e-3 * np.flatnonzero(np.abs(path - path[-1]) > STILL)[-1]


@pytest.mark.parametrize('lead', [0.0, 0.05, 0.1])
@pytest.mark.parametrize('speed', [-2.7, 1.8, 2.7])
def test_a_fast_joint_stands_still_sooner_and_comes_back_less(speed, lead):
    swinging, settled = (path_after_a_stop(speed, lead, on) for on in (False, True))
    back = [np.abs(path).max() - abs(path[-1]) for path in (swinging, settled)]
    assert standstill(settled) < 0.11 and back[1] < 0.026
    assert standstill(swinging) > 0.13 and back[0] > 0.028
    assert np.abs(settled).max() <= np.abs(swinging).max() + 0.001  # it travels no further


angles = st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6).map(np.array)
speeds = st.lists(st.floats(-5.0, 5.0), min_size=6, max_size=6).map(np.array)


@pytest.mark.slow
@given(
    angles, speeds, st.lists(st.tuples(angles, speeds), max_size=30), st.sets(st.integers(0, 4))
)
def test_a_setpoint_moves_once_and_not_for_the_gripper_or_a_silent_joint(q, v, later, silent):
    setpoint = stopped_setpoint(q, v)
    setpoint.silent = silent
    settle = Settling(setpoint)
    settle.begin(v, 0.0)
    moves = np.zeros(6, int)
    for cycle, (measured, velocity) in enumerate(later, 1):
        before = setpoint.position
        settle.update(measured, velocity, PERIOD * cycle)
        moves += setpoint.position != before
    assert moves.max() <= 1 and moves[GRIPPER] == 0 and not moves[list(silent)].any()
    after = setpoint.position
    settle.update(q + 1.0, v, TIME + 1.0)
    assert (setpoint.position == after).all()


def test_the_setpoint_of_a_joint_that_turned_is_near_it():
    v = np.array([1.0, -1.0, 0.2, 1.0, 1.0, 1.0])
    setpoint = stopped_setpoint(np.zeros(6), v, 0.05)
    settle, before = Settling(setpoint), setpoint.position
    settle.begin(v, 0.0)
    there = np.zeros(6)
    settle.update(there, np.zeros(6), 0.1)  # it stands still
    moved = setpoint.position != before
    assert moved.tolist() == [True, True, False, True, True, False]
    # the joint slowed by 10 rad/s^2 and would turn back
    assert np.abs(setpoint.position[moved] - there[moved]).max() < NEAR + 0.002
