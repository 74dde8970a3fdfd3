from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import REST
from so101_driver.calibration import load_calibration
from so101_driver.setpoint import SOFT_SPEED, Limits, Setpoint
from so101_sim import calibration_path

CALIBRATION = load_calibration(calibration_path('follower'))
STEP = 0.02
FREE = np.zeros(6, bool)


def make_setpoint(
    locked=FREE,
    measured=np.zeros(6),
    align_speed=2.0,
    rest_after=1e9,
    rest=REST,
    setpoint_lead=9.0,
):
    setpoint = Setpoint(
        CALIBRATION, Limits(2.0, align_speed, 0.25, rest_after, locked, rest, setpoint_lead), 100.0
    )
    setpoint.reset(measured, 0.0)
    return setpoint


def test_a_far_target_is_approached_at_the_speed_limit_and_reached():
    setpoint = make_setpoint()
    target = np.array([0.1, -0.1, 0.05, 0, 0, 0])
    positions = [setpoint.position]
    for cycle in range(6):
        setpoint.command(target, cycle * 0.01)
        positions.append(setpoint.advance(cycle * 0.01, setpoint.position))
    assert np.abs(np.diff(positions, axis=0)).max() == pytest.approx(STEP)
    assert positions[-1] == pytest.approx(target)


@settings(deadline=None)
@given(st.lists(st.floats(-2.0, 2.0), min_size=5, max_size=50), st.floats(-1.5, 1.5))
def test_no_measured_angle_makes_the_setpoint_faster_than_the_limit(angles, target):
    setpoint = make_setpoint(setpoint_lead=0.2)
    positions = [setpoint.position]
    for cycle, angle in enumerate(angles):
        setpoint.command(np.full(6, target), cycle * 0.01)
        positions.append(setpoint.advance(cycle * 0.01, np.full(6, angle)))
    assert np.abs(np.diff(positions, axis=0)).max() <= STEP + 1e-9


def test_a_target_beyond_the_limits_is_clamped_and_counted_by_joint():
    setpoint = make_setpoint()
    setpoint.command(np.array([9.0, 0, 0, 0, 0, -9.0]), 0.0)
    assert setpoint.target[0] == CALIBRATION.upper[0]
    assert setpoint.target[5] == CALIBRATION.lower[5]
    assert setpoint.clamps.tolist() == [1, 0, 0, 0, 0, 1]


def test_a_stale_command_holds_the_measured_pose_slowly_and_a_new_one_moves_the_arm():
    setpoint, measured = make_setpoint(), np.full(6, 0.1)
    setpoint.command(np.full(6, 1.0), 0.0)
    for cycle in range(25):
        setpoint.advance(cycle * 0.01, measured)
    setpoint.advance(0.26, measured)  # stale from here on
    assert setpoint.stale == 1 and setpoint.holding
    before = setpoint.position
    assert before[0] > 0.3
    for cycle in range(27, 200):
        after = setpoint.advance(cycle * 0.01, measured)
        assert np.abs(after - before).max() <= SOFT_SPEED * 0.01 + 1e-9
        before = after
    assert before[:5] == pytest.approx(measured[:5])
    setpoint.command(np.full(6, 1.0), 2.0)
    assert np.all(setpoint.advance(2.01, measured)[:5] > before[:5])


def test_a_stale_command_keeps_the_grip():
    # A cube blocks the jaw; the setpoint inside the cube causes the grip force.
    setpoint = make_setpoint(measured=np.array([0, 0, 0, 0, 0, 0.3]))
    for cycle in range(20):
        setpoint.command(np.array([0, 0, 0, 0, 0, 0.1]), cycle * 0.01)
        setpoint.advance(cycle * 0.01, np.array([0, 0, 0, 0, 0, 0.3]))
    assert setpoint.advance(9.0, np.array([0, 0, 0, 0, 0, 0.3]))[5] == pytest.approx(0.1)


def test_long_without_commands_the_arm_goes_to_rest_slowly_and_shoulder_first():
    setpoint = make_setpoint(measured=np.array([0.5, 0.2, 0.3, 0.4, 0.5, 0.6]), rest_after=5.0)
    lifted_first = None
    for cycle in range(2000):
        before = setpoint.position
        after = setpoint.advance(cycle * 0.01, before)
        assert np.abs(after - before).max() <= SOFT_SPEED * 0.01 + 1e-9
        if cycle * 0.01 <= 5.0:
            assert not setpoint.resting
        elif lifted_first is None:
            lifted_first = after[1] < before[1] and after[0] == before[0]
    assert lifted_first and setpoint.position[:5] == pytest.approx(REST[:5])
    assert setpoint.position[5] == 0.6  # the gripper keeps its grip
    setpoint.command(setpoint.position + 0.1, 20.0)
    assert not setpoint.resting


def test_a_leader_without_a_rest_pose_only_holds():
    setpoint = make_setpoint(measured=np.full(6, 0.3), rest_after=1.0, rest=None)
    assert setpoint.advance(50.0, np.full(6, 0.3)) == pytest.approx(np.full(6, 0.3))


def test_alignment_after_torque_on_is_slower_until_the_target_is_reached_once():
    setpoint, now = make_setpoint(align_speed=0.5), 0.0
    steps = []
    for target in (0.3, -0.5):
        while abs(setpoint.position[0] - target) > 1e-9:
            now += 0.01
            before = setpoint.position
            setpoint.command(np.array([target, 0, 0, 0, 0, 0]), now)
            steps.append(np.abs(setpoint.advance(now, before) - before).max())
    assert max(steps[:40]) == pytest.approx(0.005)
    assert max(steps) == pytest.approx(STEP)


def test_locked_joints_stay_for_every_command():
    locked = np.array([False] * 4 + [True, False])
    setpoint = make_setpoint(locked, np.full(6, 0.2))
    setpoint.command(np.full(6, 0.4), 0.0)
    for cycle in range(20):
        setpoint.advance(cycle * 0.01, setpoint.position)
    assert setpoint.position == pytest.approx([0.4, 0.4, 0.4, 0.4, 0.2, 0.4])


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.floats(-1e9, 1e9), min_size=6, max_size=6), st.integers(1, 40)),
        max_size=20,
    ),
    st.lists(st.floats(-3.2, 3.2), min_size=6, max_size=6),
)
def test_no_sequence_of_commands_exceeds_the_speed_limit_or_leaves_the_range(commands, start):
    setpoint = make_setpoint(measured=np.array(start))
    now, outside = 0.0, np.maximum(CALIBRATION.lower - start, start - CALIBRATION.upper)
    for target, cycles in commands:
        setpoint.command(np.array(target), now)
        for _ in range(cycles):
            before = setpoint.position
            now += 0.01
            after = setpoint.advance(now, before)
            assert np.all(np.abs(after - before) <= STEP + 1e-12)
            further = np.maximum(CALIBRATION.lower - after, after - CALIBRATION.upper)
            assert np.all(further <= np.maximum(outside, 1e-12))
            outside = further


def test_while_the_actor_is_paused_the_arm_does_not_go_to_rest():
    setpoint = make_setpoint(measured=np.full(6, 0.3), rest_after=1.0)
    for cycle in range(290):
        if cycle < 200:
            setpoint.stay(cycle * 0.01)
        setpoint.advance(cycle * 0.01, np.full(6, 0.3))
    assert not setpoint.resting
    setpoint.advance(3.1, np.full(6, 0.3))
    assert setpoint.resting


def test_a_stop_leaves_a_moving_joint_what_it_needs_to_brake_and_never_passes_the_setpoint():
    setpoint = make_setpoint()
    setpoint.position = np.array([0.2, 0.2, 0.2, 0.04, -0.2, 0.5])
    velocity = np.array([2.0, 1.0, 0.0, 2.0, -2.0, 1.0])
    setpoint.stop(np.zeros(6), velocity)
    ahead = setpoint.position
    assert 0.05 < ahead[0] < 0.12  # 2 rad/s at 40 rad/s^2, and the way until the goal arrives
    assert 0.05 < ahead[1] < 0.08
    assert ahead[2] == pytest.approx(0.1)  # at rest: its load
    assert ahead[3] == pytest.approx(0.04)
    assert ahead[4] == pytest.approx(-ahead[0])
    assert ahead[5] == pytest.approx(ahead[1])  # a jaw in motion holds nothing yet
    assert setpoint.target == pytest.approx(ahead)


def test_a_stop_keeps_the_grip_of_a_jaw_at_rest():
    setpoint = make_setpoint()
    setpoint.position = np.array([0.0, 0.0, 0.0, 0.0, 0.0, -0.5])
    setpoint.stop(np.zeros(6), np.zeros(6))
    assert setpoint.position[5] == setpoint.target[5] == -0.5
