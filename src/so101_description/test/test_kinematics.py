"""Kinematics over any sequence of actions: tracking, bounds, no wind-up, purity, speed."""

import time

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import JOINT_LIMITS, JOINTS, LOWER, REST, UPPER
from so101_description.kinematics import Kinematics
from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError
from so101_node.options import checked

DOWN = np.pi / 2
CONFIG = KinematicsConfig()
LOW, HIGH = np.array(CONFIG.box_min), np.array(CONFIG.box_max)
MIDDLE = (0.25, 0.0, 0.07)
ARM = Kinematics()
SCALE, STEP = 0.02, 0.2  # m, rad: the default action

unit = st.floats(-1, 1, width=32)
# Folded with the wrist at its limit: 0.9 mm from the wanted position.
folded = [0.139, -0.826, 0.837, 1.559, DOWN, 0.5]
actions = st.lists(st.tuples(unit, unit, unit, unit), min_size=1, max_size=25)
# Positions in the working area in front of the arm, far from every limit.
places = st.tuples(st.floats(0.17, 0.33), st.floats(-0.14, 0.14), st.floats(0.02, 0.15))
rolls = st.floats(-1.5, 1.5)
quick = settings(max_examples=100, deadline=None, derandomize=True)


def start_at(place, roll=0.0):
    result = ARM.solve(place, DOWN, roll, 0.5, REST)
    assert result.error < 1e-3
    return result.q


def follow(q, sequence, roll=0.0, lag=0.0):
    """Yield reference, action, measured pose and result of each action; lag 1: a blocked arm."""
    measured, reference = q.copy(), q
    for action in sequence:
        action = np.array(action, np.float64)
        result = ARM.joint_target(measured, reference, action, DOWN, roll)
        yield reference, action, measured, result
        reference = result.q
        measured = reference + lag * (measured - reference)


@pytest.mark.slow
@quick
@given(places, rolls, actions)
def test_target_is_the_reference_moved_by_the_action(place, roll, sequence):
    for reference, action, _, result in follow(start_at(place, roll), sequence, roll):
        if not result.limited:
            wanted = ARM.tool_pose(reference)[0] + action[:3] * SCALE
            assert np.linalg.norm(result.position - wanted) < 1e-3 * SCALE + 1e-9
            assert result.q[4] == pytest.approx(roll)
        assert np.allclose(result.position, ARM.tool_pose(result.q)[0])


def test_the_tool_keeps_within_the_workspace_of_the_bench():
    arm = Kinematics(KinematicsConfig(workspace_min=(0.2, -1, 0.05), workspace_max=(1, 0.1, 1)))
    q = start_at((0.25, 0.0, 0.1))
    for action, axis, limit in (((-1, 0, 0), 0, 0.2), ((0, 1, 0), 1, 0.1), ((0, 0, -1), 2, 0.05)):
        reference = q
        for _ in range(12):
            result = arm.joint_target(reference, reference, [*action, 0], DOWN, 0.0)
            reference = result.q
        assert 'workspace box' in result.limited
        assert result.position[axis] == pytest.approx(limit, abs=2e-3)
        free = Kinematics().joint_target(reference, reference, [*action, 0], DOWN, 0.0)
        assert 'workspace box' not in free.limited


def test_a_workspace_that_leaves_nothing_of_the_box_is_refused():
    with pytest.raises(CellError, match='leave nothing of the workspace box on y: 0.2 to 0.15 m'):
        checked(KinematicsConfig, {'workspace_min': (0.0, 0.2, 0.0)})


@pytest.mark.slow
@quick
@given(places, rolls, actions, st.floats(0, 1))
def test_target_stays_within_all_limits(place, roll, sequence, lag):
    for reference, _, measured, result in follow(start_at(place, roll), sequence, roll, lag):
        assert (LOWER <= result.q).all() and (result.q <= UPPER).all()
        # If the arm cannot reach a corner of the box, the tool may end outside the box.
        slack = 5e-3 if {'joint limits', 'joint step'} & set(result.limited) else 1e-3
        assert (LOW - slack <= result.position).all() and (result.position <= HIGH + slack).all()
        assert np.abs(result.q - reference)[:5].max() <= CONFIG.max_joint_step + 1e-9
        lead = np.linalg.norm(result.position - ARM.tool_pose(measured)[0])
        assert lead <= CONFIG.max_lead + slack
        assert abs(result.q[5] - measured[5]) <= CONFIG.max_gripper_lead + 1e-9


@pytest.mark.slow
@quick
@given(places, rolls, actions)
def test_action_between_reference_and_target_is_the_action(place, roll, sequence):
    for reference, action, _, result in follow(start_at(place, roll), sequence, roll):
        if result.limited or result.q[5] in (LOWER[5], UPPER[5]):
            continue
        found = ARM.action_between(result.q, reference)
        assert np.allclose(found.unclipped, action, rtol=0, atol=1e-3 + 1e-6)
        assert np.array_equal(found.action, np.clip(found.unclipped, -1, 1))


def test_a_target_that_is_not_reached_reports_its_limit():
    wanted = np.array([0.129, -0.013, 0.066])
    action = np.append((wanted - ARM.tool_pose(folded)[0]) / SCALE, 0.0)
    assert np.abs(action).max() < 1
    result = ARM.joint_target(folded, np.array(folded), action, DOWN, DOWN)
    assert 5e-4 < np.linalg.norm(result.position - wanted) < 1e-3
    assert result.limited == ('joint limits',)


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('sign', [1, -1])
@pytest.mark.parametrize('lag', [0.0, 1.0], ids=['arm follows', 'arm is held'])
def test_the_reference_does_not_wind_up(axis, sign, lag):
    push = np.zeros(4)
    push[axis] = sign
    q = start_at(MIDDLE)
    pushed = list(follow(q, [push] * 50, lag=lag))[-1][3]
    assert pushed.limited
    measured = q if lag else pushed.q
    back = ARM.joint_target(measured, pushed.q, -push, DOWN, 0.0)
    moved = (back.position - pushed.position)[axis] * -sign
    assert moved > 0.9 * SCALE, back.limited


# With the fingers forward and a box that reaches below the table, the palm gets there first.
LOW_ARM = Kinematics(KinematicsConfig(box_min=(0.05, -0.4, -0.2), box_max=(0.45, 0.4, 0.4)))


def least_distances(kinematics, q):
    """Distances that a target from `q` may have, (N,) m: the clearances, or what `q` has."""
    return np.minimum(kinematics.collision.clearances, kinematics.collision.distances(q)) - 2e-6


@pytest.mark.slow
@settings(quick, max_examples=40)
@given(places, st.floats(-1.2, 0.6), actions)
def test_no_target_is_nearer_to_table_or_arm_than_allowed(place, pitch, sequence):
    q = LOW_ARM.solve(place, pitch, 0.0, 0.5, REST).q
    for action in [*sequence, *[(0, 0, -1, 1)] * 8, *[(-1, 0, 0, 1)] * 8]:
        least = least_distances(LOW_ARM, q)
        result = LOW_ARM.joint_target(q, q, action, pitch, 0.0)
        assert (LOW_ARM.collision.distances(result.q) >= least).all()
        q = result.q


def test_a_link_stops_above_the_table_is_named_and_may_leave():
    q = LOW_ARM.solve((0.30, 0.0, 0.10), 0.0, 0.0, 0.5, REST).q
    for _ in range(20):
        down = LOW_ARM.joint_target(q, q, (0, 0, -1, 0), 0.0, 0.0)
        q = down.q
    assert down.limited == ('collision of gripper and table',)
    assert LOW_ARM.collision.distances(q).min() == pytest.approx(0.005, abs=1e-3)
    up = LOW_ARM.joint_target(q, q, (0, 0, 1, 0), 0.0, 0.0)
    assert not up.limited and up.position[2] > down.position[2] + 0.015
    sunk = q + np.array([0, 0.1, 0, 0, 0, 0])  # pushed down: the way up is allowed
    before = LOW_ARM.collision.distances(sunk).min()
    assert before < -0.005
    up = LOW_ARM.joint_target(sunk, sunk, (0, 0, 1, 0), 0.0, 0.0)
    assert LOW_ARM.collision.distances(up.q).min() > before + 0.005


def test_the_gripper_stays_out_of_the_shoulder_inside_the_default_box():
    """The near corner of the box is inside the arm: without a limit, by 11 mm."""
    q = start_at((0.17, 0.0, 0.03))
    for _ in range(10):
        result = ARM.joint_target(q, q, (-1, 0, -1, 0), DOWN, 0.0)
        q = result.q
    assert 'collision of shoulder and gripper' in result.limited
    assert ARM.collision.too_near(q) == ''
    opened = ARM.joint_target(q, q, (-1, 0, 0, 1), DOWN, 0.0)
    assert opened.q[5] > q[5] + 0.1, 'the gripper is held although it is clear'


@pytest.mark.slow
@quick
@given(places, actions)
def test_a_tool_at_rest_corrects_its_pitch_slowly(place, sequence):
    """The first action of a take-over is zero: the pitch error must not make a joint jump."""
    *_, (_, _, _, last) = follow(start_at(place), [*sequence, (0.3, 0.1, 0, 0)] * 3)
    still = ARM.joint_target(last.q, last.q, np.zeros(4), DOWN, 0.0)
    assert np.abs(still.q - last.q)[:5].max() < np.deg2rad(2)


def test_a_blocked_arm_gets_no_more_than_the_maximum_lead():
    q = start_at(MIDDLE)
    *_, (_, _, _, last) = follow(q, [(0, 0.6, 0.8, 0)] * 10, lag=1.0)
    assert last.limited == ('lead over the measured pose',)
    assert np.linalg.norm(last.position - MIDDLE) == pytest.approx(CONFIG.max_lead, abs=1e-3)


@pytest.mark.parametrize('sign, limit', [(1, UPPER[5]), (-1, LOWER[5])])
def test_gripper_stops_at_its_limit_and_turns_back_at_once(sign, limit):
    *_, (_, _, _, last) = follow(start_at(MIDDLE), [(0, 0, 0, sign)] * 20)
    assert last.q[5] == limit
    back = ARM.joint_target(last.q, last.q, [0, 0, 0, -sign], DOWN, 0.0)
    assert back.q[5] == pytest.approx(limit - sign * STEP)


def test_gripper_does_not_wind_up():
    q = start_at(MIDDLE)  # the gripper holds an object: its measured angle stays 0.5
    *_, (_, _, _, closed) = follow(q, [(0, 0, 0, -1)] * 20, lag=1.0)
    assert closed.q[5] == pytest.approx(0.5 - CONFIG.max_gripper_lead)
    opened = ARM.joint_target(q, closed.q, [0, 0, 0, 1], DOWN, 0.0)
    assert opened.q[5] == pytest.approx(closed.q[5] + STEP)


@pytest.mark.parametrize(
    'place', [(0.34, 0.10, 0.20), (0.35, 0.15, 0.25), (0.34, 0.0, 0.07), (0.14, 0.0, 0.20), MIDDLE]
)
def test_a_zero_action_holds_the_position_even_if_the_pitch_is_out_of_reach(place):
    posture = ARM.solve(place, 0.6, 0.0, 0.5, REST)  # from here the pitch is corrected downwards
    assert posture.error < 1e-3
    assert ARM.solve(place, DOWN, 0.0, 0.5, REST).error < 5e-5
    results = [step[3] for step in follow(posture.q, [np.zeros(4)] * 300)]
    assert np.linalg.norm(results[-1].position - place) < 5e-4
    rest = np.abs(results[-1].q - results[-2].q)
    assert rest.max() < 1e-4, 'the posture never comes to rest'


def test_pitch_and_roll_are_held_within_reach():
    q = start_at(MIDDLE, 0.4)
    assert ARM.tool_pose(q)[1][:, 0] @ [0, 0, -1] > 0.9999
    *_, (_, _, _, last) = follow(q, [(-0.5, 0.3, -0.2, 0)] * 5, 0.4)
    assert not last.limited
    assert ARM.tool_pose(last.q)[1][:, 0] @ [0, 0, -1] > 0.999
    # From another posture, the same pose is reached over several targets.
    *_, (_, _, _, turned) = follow(start_at(MIDDLE, -1.0), [np.zeros(4)] * 8, 0.4)
    assert turned.q[4] == pytest.approx(0.4)
    assert np.linalg.norm(turned.position - MIDDLE) < 1e-3


def test_from_outside_the_box_the_tool_returns_no_faster_than_an_action():
    zero = np.zeros(6)
    outside = ARM.tool_pose(zero)[0]
    assert outside[0] > HIGH[0] + 0.04
    steps = list(follow(zero, [np.zeros(4)] * 20))
    for reference, _, _, result in steps:
        moved = result.position - ARM.tool_pose(reference)[0]
        assert np.abs(moved).max() < SCALE + 1e-3
    last = steps[-1][3].position
    assert (LOW - 1e-3 <= last).all() and (last <= HIGH + 1e-3).all()


@pytest.mark.slow
@quick
@example(335542048, 0.0)  # folded against two limits: position before pitch
@given(st.integers(0, 2**32 - 1), st.floats(0.0, DOWN))
def test_solve_reaches_every_reachable_position(number, pitch):
    rng = np.random.default_rng(number)
    while True:
        q = rng.uniform(LOWER, UPPER)
        place = ARM.tool_pose(q)[0]
        if ((LOW < place) & (place < HIGH)).all():
            break
    result = ARM.solve(place, pitch, q[4], 0.3, REST)
    assert result.error < 1e-3
    assert np.linalg.norm(ARM.tool_pose(result.q)[0] - place) == pytest.approx(result.error)
    assert (LOWER <= result.q).all() and (result.q <= UPPER).all() and result.q[5] == 0.3


@pytest.mark.parametrize('number', range(20))
def test_a_short_search_follows_a_moving_position(number):
    rng = np.random.default_rng(number)
    place = rng.uniform(LOW, HIGH)
    q = ARM.solve(place, DOWN, 0.0, 0.5, REST).q
    motion = rng.normal(size=3)
    motion *= 0.005 / np.linalg.norm(motion)  # m, as keys move it in 0.05 s
    for _ in range(20):
        place = place + motion
        whole = ARM.solve(place, DOWN, 0.0, 0.5, q)
        if whole.error > 1e-3:
            return  # out of reach from here on
        found = ARM.solve(place, DOWN, 0.0, 0.5, q, near=True)
        assert found.error < 1e-3
        assert np.abs(found.q - whole.q).max() < 0.1
        q = found.q


def test_solve_returns_the_distance_to_an_unreachable_position():
    result = ARM.solve((0.60, 0.0, 0.10), DOWN, 0.0, 0.0, REST)
    reach = np.hypot(0.60 - 0.0388, 0.0) - 0.45
    assert reach - 0.02 < result.error < reach + 0.05


def test_a_clutch_counts_relative_to_the_start_of_each_arm():
    leader_start, reference_start = start_at((0.20, 0.05, 0.10)), start_at(MIDDLE)
    same = ARM.action_between(leader_start, reference_start, leader_start, reference_start)
    assert np.allclose(same.unclipped, 0, atol=1e-9)
    leader = start_at((0.21, 0.05, 0.10))
    leader[5] += 0.1
    moved = ARM.action_between(leader, reference_start, leader_start, reference_start)
    assert np.allclose(moved.action, [0.5, 0, 0, 0.5], atol=1e-3)
    direct = ARM.action_between(leader, reference_start)
    assert np.allclose(direct.unclipped, [-2.0, 2.5, 1.5, 0.5], atol=1e-3)
    assert np.allclose(direct.action, [-1, 1, 1, 0.5], atol=1e-3)


@pytest.mark.slow
@quick
@given(places, actions)
def test_results_depend_on_the_arguments_alone(place, sequence):
    q, action = start_at(place), sequence[0]
    before = q.copy()
    first = ARM.joint_target(q, q, action, DOWN, 0.0)
    list(follow(start_at(MIDDLE, 1.0), sequence, 1.0))
    fresh = Kinematics()
    for kinematics in (ARM, fresh):
        again = kinematics.joint_target(q, q, action, DOWN, 0.0)
        assert np.array_equal(again.q, first.q) and again.limited == first.limited
    assert np.array_equal(q, before), 'an argument was written to'


def test_tool_pose_is_a_right_handed_frame():
    rng = np.random.default_rng(3)
    for q in rng.uniform(LOWER, UPPER, (20, len(JOINTS))):
        _, turn = ARM.tool_pose(q)
        assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) > 0


@pytest.mark.slow
@pytest.mark.timing
def test_a_joint_target_takes_under_a_millisecond(slowness):
    steps = list(follow(start_at(MIDDLE), np.random.default_rng(5).uniform(-1, 1, (200, 4))))
    for _ in range(3):  # other processes may use these cores too
        times = []
        for reference, action, measured, _ in steps:
            began = time.thread_time()
            ARM.joint_target(measured, reference, action, DOWN, 0.0)
            times.append(time.thread_time() - began)
        if np.median(times) < 1e-3 * slowness():
            return
    pytest.fail(f'{np.median(times) * 1e3:.2f} ms')


def test_joint_limits_of_contact_let_a_target_go_on():
    space = {'box_min': (-0.5, -0.5, 0.0135), 'box_max': (0.5, 0.5, 0.4)}
    within, beyond = (
        Kinematics(KinematicsConfig(joint_limits=limits, **space)) for limits in JOINT_LIMITS
    )
    seed = np.array([2.05, 0.24, -0.28, 1.61, 0.0, 0.5])
    position = beyond.tool_pose(seed)[0]
    model, contact = (k.solve(position, np.pi / 2, 0.0, 0.5, seed) for k in (within, beyond))
    assert model.q[0] <= UPPER[0] and model.error > 0.02
    assert contact.q[0] == pytest.approx(2.05, abs=1e-3) and contact.error < 1e-3
    target = beyond.joint_target(seed, seed, np.zeros(4), np.pi / 2, 0.0)
    assert target.q[0] == pytest.approx(2.05, abs=1e-3)
    assert within.model_hash == beyond.model_hash
