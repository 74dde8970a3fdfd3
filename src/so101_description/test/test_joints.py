"""The joint table, and the conversion of joints by name to an array."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import (
    GRIPPER_CLOSED,
    GRIPPER_OPEN,
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
