"""Actions of every kind: what is executed is what is stored, and what is not acted on is held."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.action_space import DEFAULT, JOINT_AXES, TOOL_AXES, ActionSpace
from so101_description.joints import LOWER, REST, UPPER
from so101_description.kinematics import Kinematics
from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError

DOWN = np.pi / 2
PLAIN = Kinematics()
SCALES = {'dx': 0.02, 'dy': 0.01, 'dz': 0.015, 'droll': 0.15, 'dpitch': 0.1, 'gripper': 0.2}
places = st.tuples(st.floats(0.19, 0.31), st.floats(-0.1, 0.1), st.floats(0.05, 0.12))
pitches = st.floats(0.9, DOWN)
unit = st.floats(-1, 1, width=32)
quick = settings(max_examples=60, deadline=None, derandomize=True)


def kinematics(scales):
    return Kinematics(
        KinematicsConfig(action=ActionSpace(tuple(scales), tuple(scales.values())).text())
    )


def subsets(axes):
    return st.sets(st.sampled_from(axes), min_size=1).map(
        lambda chosen: tuple(axis for axis in axes if axis in chosen)
    )


spaces = st.one_of(
    subsets(TOOL_AXES).map(lambda axes: {axis: SCALES[axis] for axis in axes}),
    subsets(JOINT_AXES).map(lambda axes: dict.fromkeys(axes, 0.1)),
)


def follow(arm, q, sequence, pitch, roll, lag=0.0):
    """Yield reference, action and result of each action; what is held is that of `q`."""
    measured, reference = q.copy(), q
    for numbers in sequence:
        action = np.array(numbers[: len(arm.space.names)], np.float32)
        result = arm.joint_target(measured, reference, action, pitch, roll, hold=q)
        yield reference, action, result
        reference = result.q
        measured = reference + lag * (measured - reference)


sequences = st.lists(st.tuples(*[unit] * 6), min_size=1, max_size=12)


@pytest.mark.slow
@quick
@given(spaces, places, pitches, st.floats(-1, 1), sequences)
def test_the_action_from_reference_to_target_is_the_stored_action(
    scales, place, pitch, roll, sequence
):
    arm = kinematics(scales)
    q = PLAIN.solve(place, pitch, roll, 0.5, REST).q
    for reference, action, result in follow(arm, q, sequence, pitch, roll):
        if result.limited or result.q[5] in (LOWER[5], UPPER[5]):
            continue
        found = arm.action_between(result.q, reference)
        assert np.allclose(found.unclipped, action, rtol=0, atol=2e-3)
        assert found.action.shape == (len(scales),)


@pytest.mark.slow
@quick
@given(spaces, places, sequences, st.floats(0, 1))
def test_what_no_axis_acts_on_is_held(scales, place, sequence, lag):
    arm = kinematics(scales)
    q = PLAIN.solve(place, DOWN, 0.3, 0.5, REST).q
    before = arm.coordinates(q)
    held = [i for i, name in enumerate(arm.space.coordinates) if name not in scales]
    tolerance = np.array([1e-3] * 3 + [1e-6, 0.15, 0.3]) if not arm.space.of_joints else 1e-6
    if arm.space.of_joints:
        tolerance = np.array([1e-6] * 5 + [0.3])
    # A limit may move what is held; then it returns.
    still = np.zeros(len(scales), np.float32)
    for _, action, result in follow(arm, q, [*sequence, *[still] * 12], DOWN, 0.3, lag):
        off = np.abs(arm.coordinates(result.q) - before)
        if not result.limited:
            assert (off[held] <= tolerance[held]).all(), (arm.space, off, action)


@pytest.mark.slow
@quick
@given(spaces, places, sequences, st.floats(0, 1))
def test_targets_of_every_kind_stay_within_limits(scales, place, sequence, lag):
    arm = kinematics(scales)
    q = PLAIN.solve(place, DOWN, 0.0, 0.5, REST).q
    low, high = np.array(arm.config.box_min), np.array(arm.config.box_max)
    for reference, _, result in follow(arm, q, sequence * 3, DOWN, 0.0, lag):
        assert (LOWER <= result.q).all() and (result.q <= UPPER).all()
        assert np.abs(result.q - reference)[:5].max() <= arm.config.max_joint_step + 1e-9
        slack = 5e-3 if {'joint limits', 'joint step', 'pitch'} & set(result.limited) else 1e-3
        assert (low - slack <= result.position).all() and (result.position <= high + slack).all()


def test_each_axis_moves_its_own_coordinate_by_its_own_scale():
    arm = kinematics(SCALES)
    q = PLAIN.solve((0.25, 0.0, 0.09), 1.2, 0.2, 0.5, REST).q
    before = arm.coordinates(q)
    for i, scale in enumerate(SCALES.values()):
        action = np.zeros(6)
        action[i] = 0.5
        result = arm.joint_target(q, q, action, 0.0, 0.0)
        moved = arm.coordinates(result.q) - before
        wanted = np.zeros(6)
        wanted[i] = 0.5 * scale
        assert result.limited == () and np.allclose(moved, wanted, atol=1e-4), (i, moved)


def test_a_joint_moves_alone_and_stops_at_the_workspace_box():
    arm = kinematics({'shoulder_pan': 0.1, 'gripper': 0.2})
    q = PLAIN.solve((0.25, 0.0, 0.09), DOWN, 0.0, 0.5, REST).q
    reference = q
    for _ in range(20):
        result = arm.joint_target(reference, reference, [1.0, 0.0], 0.0, 0.0, hold=q)
        reference = result.q
    assert result.limited == ('workspace box',)
    assert result.position[1] == pytest.approx(-0.15, abs=1e-3)
    assert np.array_equal(reference[1:5], q[1:5])
    back = arm.joint_target(reference, reference, [-1.0, 0.0], 0.0, 0.0, hold=q)
    assert back.limited == () and back.q[0] == pytest.approx(reference[0] - 0.1)


def test_a_held_height_returns_after_a_limit_changed_it():
    arm = kinematics({'dx': 0.02, 'dy': 0.02})
    q = PLAIN.solve((0.25, 0.0, 0.09), DOWN, 0.0, 0.5, REST).q
    sunk = PLAIN.solve((0.25, 0.0, 0.06), DOWN, 0.0, 0.5, q).q
    for _ in range(3):
        sunk = arm.joint_target(sunk, sunk, [0.0, 0.5], DOWN, 0.0, hold=q).q
    assert arm.tool_position(sunk)[2] == pytest.approx(0.09, abs=1e-4)
    free = arm.joint_target(sunk, sunk, [0.0, 0.5], DOWN, 0.0).q
    assert arm.tool_position(free)[2] == pytest.approx(0.09, abs=1e-4)


@pytest.mark.parametrize(
    'words, sentence',
    [
        ([], 'at least one axis'),
        (['dx'], "the axis 'dx' of an action has no scale; write it as dx:0.02"),
        (['dz:0.02', 'dx:0.02'], 'in this order'),
        (['dx:0.02', 'dx:0.02'], 'in this order'),
        (['dx:0.02', 'elbow_flex:0.1'], 'or some of shoulder_pan'),
        (['dyaw:0.1'], 'has the axes dyaw; allowed are'),
        (['dx:2.0'], 'the axis dx has the scale 2 m; allowed is up to 0.1'),
        (['droll:0'], 'the axis droll has the scale 0 rad; allowed is up to 0.35'),
        (['gripper:nan'], 'the scale nan rad'),
    ],
)
def test_a_wrong_action_is_refused_in_one_sentence(words, sentence):
    with pytest.raises(CellError, match=sentence):
        ActionSpace.from_text(words)


def test_an_action_of_another_length_is_refused():
    with pytest.raises(CellError, match='has 3 numbers; this task has 4: dx, dy, dz, gripper'):
        PLAIN.joint_target(REST, REST, np.zeros(3), DOWN, 0.0)


@quick
@given(spaces)
def test_an_action_space_survives_its_text(scales):
    space = ActionSpace(tuple(scales), tuple(scales.values()))
    assert ActionSpace.from_text(space.text()) == space
    assert ActionSpace.from_text(DEFAULT.text()) == DEFAULT
