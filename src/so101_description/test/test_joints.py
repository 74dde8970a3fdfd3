"""The joint table, and the conversion of joints by name to an array."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import (
    GRIPPER_CLOSED,
    GRIPPER_OPEN,
    JOINT_LIMITS,
    JOINTS,
    LOWER,
    REST,
    SERVO_IDS,
    UPPER,
    pack,
)
from so101_node.errors import CellError


def test_table_is_consistent():
    assert [SERVO_IDS[name] for name in JOINTS] == [1, 2, 3, 4, 5, 6]
    assert (LOWER < UPPER).all() and (LOWER < REST).all() and (REST < UPPER).all()
    assert (LOWER[5], UPPER[5]) == (GRIPPER_CLOSED, GRIPPER_OPEN)


def test_table_cannot_be_changed_by_accident():
    for table in (LOWER, UPPER, REST):
        with pytest.raises(ValueError, match='read-only'):
            table[0] = 0.0


@given(st.permutations(range(6)), st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_pack_orders_by_name(order, values):
    packed = pack([JOINTS[i] for i in order], [values[i] for i in order])
    assert packed.dtype == np.float64 and packed.tolist() == values


@pytest.mark.parametrize(
    'names, positions, sentence',
    [
        (JOINTS[:5], [0.0] * 5, 'missing joint gripper'),
        ([*JOINTS[:5], 'claw'], [0.0] * 6, "missing joint gripper; unknown joint 'claw'"),
        ([*JOINTS, 'claw'], [0.0] * 7, "unknown joint 'claw'"),
        ([*JOINTS, 'gripper'], [0.0] * 7, 'named twice'),
        (JOINTS, [0.0] * 5, '6 joint names but 5 positions'),
        (JOINTS, [0.0, 0.0, float('nan'), 0.0, 0.0, 0.0], 'elbow_flex: nan'),
        (JOINTS, [0.0, float('inf'), 0.0, 0.0, 0.0, 0.0], 'shoulder_lift: inf'),
        (JOINTS, [0.0, 103.74, 0.0, 0.0, 0.0, 0.0], 'shoulder_lift: 103.74 .* rad'),
        ([], [], 'missing joint shoulder_pan'),
    ],
)
def test_pack_refuses_wrong_joints_and_angles_by_name(names, positions, sentence):
    with pytest.raises(CellError, match=sentence):
        pack(names, positions)


def test_the_limits_of_contact_are_the_wider_ones_on_each_side_and_end_within_a_turn():
    lower, upper = JOINT_LIMITS['contact']
    assert (lower <= LOWER).all() and (upper >= UPPER).all()
    assert lower[:4].tolist() == [-2.01012, -1.82697, -1.81448, -1.81662]
    assert upper[:4].tolist() == [2.15186, 1.76783, 1.69, 1.77853]  # elbow: the model's is wider
    assert -np.pi < lower[4] < LOWER[4] and UPPER[4] < upper[4] < np.pi
    assert (lower[5], upper[5]) == (GRIPPER_CLOSED, GRIPPER_OPEN)


def test_the_document_has_the_joint_limits():
    text = (Path(__file__).resolve().parents[3] / 'docs' / 'hardware.md').read_text('utf-8')
    for i, joint in enumerate(JOINTS[:5]):
        model, contact = (
            ' to '.join(f'{np.degrees(side[i]):.1f}' for side in JOINT_LIMITS[name])
            for name in ('model', 'contact')
        )
        assert f'| {joint} | {model} | {contact} |' in text
