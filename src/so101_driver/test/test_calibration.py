import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import JOINTS, LOWER, UPPER
from so101_driver.calibration import check_spans, load_calibration, make_calibration
from so101_node.errors import CellError
from so101_sim import calibration_path

# A real follower's ranges.
RANGES = ((1030, 3460), (827, 3225), (925, 3161), (954, 3305), (33, 4009), (1452, 2958))


def table():
    return {
        joint: {
            'id': i + 1,
            'drive_mode': 0,
            'homing_offset': 100 * i,
            'range_min': low,
            'range_max': high,
        }
        for i, (joint, (low, high)) in enumerate(zip(JOINTS, RANGES))
    }


def write(tmp_path, content, name='arm.json'):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_golden_angles(tmp_path):
    calibration = load_calibration(write(tmp_path, table()))
    middle = [2245, 2026, 2043, 2129.5, 2021, 1452]
    assert calibration.to_rad(np.array(middle)) == pytest.approx([0, 0, 0, 0, 0, -0.174533])
    quarter = np.array([2245 + 1024, 2026 - 1024, 2043, 2129.5, 2021, 2958])
    assert calibration.to_rad(quarter) == pytest.approx(
        [math.pi / 2, -math.pi / 2, 0, 0, 0, 1.74533], abs=1e-5
    )
    half_open = -0.174533 + 0.5 * 1.919863
    assert calibration.to_ticks(np.array([0.1, -0.2, 0, 0, 1.0, half_open])).tolist() == [
        2310,
        1896,
        2043,
        2130,
        2673,
        2205,
    ]


def test_drive_mode_reverses_the_joint_and_the_closed_end(tmp_path):
    content = table()
    content['shoulder_pan']['drive_mode'] = content['gripper']['drive_mode'] = 1
    calibration = load_calibration(write(tmp_path, content))
    angles = calibration.to_rad(np.array([2245 + 1024, 2026, 2043, 2129.5, 2021, 2958]))
    assert angles[0] == pytest.approx(-math.pi / 2)
    assert angles[5] == pytest.approx(-0.174533)
    assert np.all(calibration.lower < calibration.upper)


def test_limits_are_the_narrower_of_recorded_range_and_model():
    calibration = load_calibration(calibration_path('follower'))
    assert np.all(calibration.lower >= LOWER) and np.all(calibration.upper <= UPPER)
    # shoulder_pan was recorded over 2480 ticks: less than the model's range
    assert calibration.upper[0] == pytest.approx(1240 * 2 * math.pi / 4096)
    assert calibration.upper[4] == UPPER[4]  # wrist_roll: the model's limit


@st.composite
def calibrations(draw):
    low = np.array([draw(st.integers(0, 3595)) for _ in JOINTS])
    high = np.array([draw(st.integers(int(a) + 500, 4095)) for a in low])
    mode = np.array([draw(st.integers(0, 1)) for _ in JOINTS])
    return make_calibration('drawn', mode, np.zeros(6, np.int64), low, high)


@settings(max_examples=200, deadline=None)
@given(calibrations(), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_every_tick_within_the_range_is_the_same_after_conversion_to_rad_and_back(
    calibration, where
):
    span = calibration.range_max - calibration.range_min
    ticks = calibration.range_min + np.rint(np.array(where) * span).astype(np.int64)
    assert calibration.to_ticks(calibration.to_rad(ticks)).tolist() == ticks.tolist()


@settings(max_examples=200, deadline=None)
@given(calibrations(), st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_every_angle_is_clipped_to_a_tick_within_the_range(calibration, angles):
    ticks = calibration.to_ticks(np.array(angles))
    assert np.all(ticks >= calibration.range_min) and np.all(ticks <= calibration.range_max)


@pytest.mark.parametrize(
    'joint, field, value, words',
    [
        ('elbow_flex', 'id', 4, 'id is 4'),
        ('elbow_flex', 'drive_mode', 2, 'drive_mode is 2'),
        ('elbow_flex', 'homing_offset', 2048, 'homing_offset is 2048'),
        ('elbow_flex', 'range_max', 4096, 'not within 0 to 4095'),
        ('elbow_flex', 'range_min', -1, 'not within 0 to 4095'),
        ('elbow_flex', 'range_min', 3161, 'not below range_max'),
        ('elbow_flex', 'range_min', 2700, 'spans 461 ticks, fewer than 500'),
        ('elbow_flex', 'range_min', 1600, 'spans 1561 ticks, 71% of the 2203 of the model'),
        ('shoulder_pan', 'range_min', 20, '137% of the 2503 of the model (limits 75% and 125%)'),
        ('wrist_roll', 'range_max', 2289, 'spans 2256 ticks, 62% of the 3641'),
        ('elbow_flex', 'range_min', 925.5, 'elbow_flex.range_min: expected int, got float'),
        ('elbow_flex', 'range_min', None, 'elbow_flex.range_min: expected int, got null'),
    ],
)
def test_implausible_entries_are_refused_by_name(tmp_path, joint, field, value, words):
    content = table()
    content[joint][field] = value
    path = write(tmp_path, content)
    with pytest.raises(CellError) as error:
        load_calibration(path)
    for word in (path, joint, words, 'calibrate'):
        assert word in str(error.value)


def test_unknown_fields_of_a_joint_are_ignored(tmp_path):
    content = table()
    content['gripper']['added_by_a_later_lerobot'] = 3
    load_calibration(write(tmp_path, content))


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda t: t.pop('gripper'), 'missing required field gripper'),
        (lambda t: t.update(wrist={}), 'unknown field wrist'),
    ],
)
def test_missing_and_unknown_joints_are_refused(tmp_path, change, words):
    content = table()
    change(content)
    with pytest.raises(CellError, match=words):
        load_calibration(write(tmp_path, content))


def test_a_missing_or_damaged_file_is_refused(tmp_path):
    with pytest.raises(CellError, match='nowhere.json cannot be read'):
        load_calibration(str(tmp_path / 'nowhere.json'))
    with pytest.raises(CellError, match='is damaged'):
        load_calibration(write(tmp_path, '{'))
    with pytest.raises(CellError, match='expected object, got array'):
        load_calibration(write(tmp_path, '[]'))


def test_a_leader_with_a_shorter_range_than_the_follower_is_refused(tmp_path):
    follower = load_calibration(write(tmp_path, table(), 'follower.json'))
    content = table()
    content['wrist_roll'].update(range_min=900, range_max=4009)
    leader = load_calibration(write(tmp_path, content, 'leader.json'))
    with pytest.raises(CellError) as error:
        check_spans(leader, follower)
    for word in ('wrist_roll', '3109', '3976', '22%', '10%', 'leader.json', 'follower.json'):
        assert word in str(error.value)


@pytest.mark.parametrize(
    'ranges',
    [
        RANGES,
        ((866, 3231), (896, 3211), (866, 3066), (1039, 3121), (123, 3955), (2027, 3483)),
        RANGES[:4] + ((0, 4095), (1452, 2958)),
    ],
)
def test_ranges_of_built_arms_are_plausible(tmp_path, ranges):
    content = table()
    for entry, (low, high) in zip(content.values(), ranges):
        entry.update(range_min=low, range_max=high)
    load_calibration(write(tmp_path, content))


def test_the_calibrations_of_the_simulated_arms_are_plausible():
    check_spans(*(load_calibration(calibration_path(arm)) for arm in ('leader', 'follower')))


def test_a_leaders_trigger_may_span_less_than_a_gripper(tmp_path):
    content = table()
    content['gripper'].update(range_min=1800, range_max=2900)
    check_spans(
        load_calibration(write(tmp_path, content, 'leader.json')),
        load_calibration(write(tmp_path, table(), 'follower.json')),
    )
