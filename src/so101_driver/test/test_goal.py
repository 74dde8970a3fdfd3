from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from so101_driver.calibration import load_calibration
from so101_driver.goal import Goal
from so101_sim import calibration_path

CALIBRATION = load_calibration(calibration_path('follower'))
STEP = 0.02
FREE = np.zeros(6, bool)


def make_goal(locked=FREE, measured=np.zeros(6)):
    goal = Goal(CALIBRATION, STEP, 0.25, locked)
    goal.reset(measured)
    return goal


def test_a_far_target_is_approached_at_the_speed_limit_and_reached():
    goal = make_goal()
    target = np.array([0.1, -0.1, 0.05, 0, 0, 0])
    positions = [goal.position]
    for cycle in range(6):
        goal.command(target, cycle * 0.01)
        positions.append(goal.advance(cycle * 0.01))
    assert np.abs(np.diff(positions, axis=0)).max() == pytest.approx(STEP)
    assert positions[-1] == pytest.approx(target)


def test_a_target_beyond_the_limits_is_clamped_and_counted_by_joint():
    goal = make_goal()
    goal.command(np.array([9.0, 0, 0, 0, 0, -9.0]), 0.0)
    assert goal.target[0] == CALIBRATION.upper[0]
    assert goal.target[5] == CALIBRATION.lower[5]
    assert goal.clamps.tolist() == [1, 0, 0, 0, 0, 1]


def test_a_stale_command_stops_the_goal_on_its_way_and_a_new_one_moves_it_on():
    goal = make_goal()
    goal.command(np.full(6, 1.0), 0.0)
    goal.advance(0.2)
    kept = goal.advance(0.24)
    for now in (0.26, 0.3, 5.0):
        assert np.array_equal(goal.advance(now), kept)
    assert goal.stale == 1 and goal.holding
    goal.command(np.full(6, 1.0), 5.0)
    assert np.all(goal.advance(5.01) > kept)


def test_a_stale_command_keeps_the_grip():
    # The jaw is stopped by a cube; the goal inside it is what squeezes.
    goal = make_goal(measured=np.array([0, 0, 0, 0, 0, 0.3]))
    for cycle in range(20):
        goal.command(np.array([0, 0, 0, 0, 0, 0.1]), cycle * 0.01)
        goal.advance(cycle * 0.01)
    assert goal.advance(9.0)[5] == pytest.approx(0.1)


def test_locked_joints_stay_for_every_command():
    locked = np.array([False] * 4 + [True, False])
    goal = make_goal(locked, np.full(6, 0.2))
    goal.command(np.full(6, 0.4), 0.0)
    for cycle in range(20):
        goal.advance(cycle * 0.01)
    assert goal.position == pytest.approx([0.4, 0.4, 0.4, 0.4, 0.2, 0.4])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(
    st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=6), st.integers(1, 40)), max_size=20),
    st.lists(st.floats(-3.2, 3.2), min_size=6, max_size=6))
def test_no_commands_make_a_joint_faster_than_its_limit_or_leave_its_range(commands, start):
    goal = make_goal(measured=np.array(start))
    now, outside = 0.0, np.maximum(CALIBRATION.lower - start, start - CALIBRATION.upper)
    for target, cycles in commands:
        goal.command(np.array(target), now)
        for _ in range(cycles):
            before = goal.position
            now += 0.01
            after = goal.advance(now)
            assert np.all(np.abs(after - before) <= STEP + 1e-12)
            further = np.maximum(CALIBRATION.lower - after, after - CALIBRATION.upper)
            assert np.all(further <= np.maximum(outside, 1e-12))
            outside = further
