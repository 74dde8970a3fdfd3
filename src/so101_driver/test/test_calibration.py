import json
import math

from driver_support.calibration_shapes import RANGES
from driver_support.calibration_shapes import recorded as table
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import JOINT_LIMITS, JOINTS, LOWER, UPPER
from so101_driver.calibration import load_calibration, load_calibrations, make_calibration
from so101_driver.calibration_problems import CalibrationRefused, Plausible
from so101_driver.calibration_warnings import doubtful_zeros, lost_reach, tool_shift
from so101_node.errors import CellError
from so101_sim import calibration_path


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


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(calibrations(), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_every_tick_within_the_range_is_the_same_after_conversion_to_rad_and_back(
    calibration, where
):
    span = calibration.range_max - calibration.range_min
    ticks = calibration.range_min + np.rint(np.array(where) * span).astype(np.int64)
    assert calibration.to_ticks(calibration.to_rad(ticks)).tolist() == ticks.tolist()


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(calibrations(), st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_every_angle_is_clipped_to_a_tick_within_the_range(calibration, angles):
    ticks = calibration.to_ticks(np.array(angles))
    assert np.all(ticks >= calibration.range_min) and np.all(ticks <= calibration.range_max)


@pytest.mark.parametrize(
    'joint, field, value, words',
    [
        ('elbow_flex', 'id', 4, 'id is 4, allowed: 3'),
        ('elbow_flex', 'drive_mode', 2, 'drive_mode is 2, allowed: 0 to 1'),
        ('elbow_flex', 'homing_offset', 2048, 'homing_offset is 2048, allowed: -2047 to 2047'),
        ('elbow_flex', 'range_max', 4096, 'range_max is 4096, allowed: 0 to 4095'),
        ('elbow_flex', 'range_min', -1, 'range_min is -1, allowed: 0 to 4095'),
        ('elbow_flex', 'range_min', 3161, 'allowed: range_min below range_max'),
        ('elbow_flex', 'range_min', 2700, '461 ticks, allowed: at least 500 ticks'),
        ('elbow_flex', 'range_min', 2161, '1000 ticks, 45.4% of the 2203 of the model'),
        ('shoulder_pan', 'range_min', 20, '% of the 2503 of the model, allowed: 50% to 125%'),
        ('wrist_roll', 'range_max', 1653, '1620 ticks, 44.5% of the 3641'),
        ('elbow_flex', 'range_min', 925.5, 'range_min is 925.5, allowed: a whole number'),
        ('elbow_flex', 'range_min', None, 'range_min is None, allowed: a whole number'),
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
        (lambda t: t.pop('gripper'), 'gripper: entry is missing'),
        (lambda t: t.update(wrist={}), 'wrist: joint is unknown'),
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
    with pytest.raises(CellError, match='expected an object with six joints, got a list'):
        load_calibration(write(tmp_path, '[]'))


def pair(tmp_path, leader, follower, plausible=Plausible()):
    contents = {'leader': leader, 'follower': follower}
    return load_calibrations(
        {arm: write(tmp_path, each, f'{arm}.json') for arm, each in contents.items()}, plausible
    )


def test_a_leader_with_a_shorter_range_than_the_follower_is_refused(tmp_path):
    with pytest.raises(CellError) as error:
        pair(tmp_path, narrowed('wrist_roll', 900, 4009), table())
    for word in ('wrist_roll', '3109', '3976', '21.8%', '10.0%', 'leader.json', 'span_difference'):
        assert word in str(error.value)


@pytest.mark.parametrize('narrow', ['leader', 'follower'])
def test_one_arm_may_have_a_narrow_wrist_roll_around_its_homing_pose(tmp_path, narrow):
    contents = {'leader': table(), 'follower': table(), narrow: narrowed('wrist_roll', 1024, 3071)}
    found = pair(tmp_path, contents['leader'], contents['follower'])
    assert found[narrow].upper[4] == pytest.approx(math.pi / 2, abs=0.001)
    # No other joint is compared less strictly.
    for content in contents.values():
        content['shoulder_pan'].update(range_min=832, range_max=3262)
    contents[narrow]['shoulder_pan'].update(range_min=1080, range_max=3014)
    with pytest.raises(CellError, match='shoulder_pan: range of both arms'):
        pair(tmp_path, contents['leader'], contents['follower'])


def test_a_narrow_wrist_roll_far_from_its_homing_pose_is_refused(tmp_path):
    # A leader that was once recorded so; every motion was 30 degrees off.
    with pytest.raises(CellError, match='wrist_roll: range of both arms'):
        pair(tmp_path, narrowed('wrist_roll', 160, 2289), narrowed('wrist_roll', 0, 4095))


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
    found = load_calibrations({arm: calibration_path(arm) for arm in ('leader', 'follower')})
    assert not [doubt for each in found.values() for doubt in doubtful_zeros(each)]


def test_a_leaders_trigger_may_span_less_than_a_gripper(tmp_path):
    content = table()
    content['gripper'].update(range_min=1800, range_max=2900)
    assert list(pair(tmp_path, content, table())) == ['leader', 'follower']


def narrowed(joint, low, high):
    content = table()
    content[joint].update(range_min=low, range_max=high)
    return content


@pytest.mark.parametrize(
    'joint, low, high',
    [('wrist_roll', 1024, 3071), ('shoulder_pan', 1121, 2973)],  # +-90 degrees; 74 %
)
def test_a_narrower_range_is_accepted_with_the_limits_that_follow(tmp_path, joint, low, high):
    calibration = load_calibration(write(tmp_path, narrowed(joint, low, high)))
    i = JOINTS.index(joint)
    reach = (high - low) / 2 * 2 * math.pi / 4096
    assert (calibration.lower[i], calibration.upper[i]) == pytest.approx((-reach, reach))
    with pytest.raises(CellError, match=f'{joint}: .*allowed: 80% to 125%'):
        load_calibration(calibration.path, Plausible(least=0.8))


def test_all_problems_of_a_file_and_of_a_pair_are_named(tmp_path):
    leader, follower = table(), table()
    leader['elbow_flex'].update(id=4, drive_mode=7, range_max=5000)
    leader['wrist_flex']['range_max'] = 1000
    del leader['gripper']['homing_offset']
    for joint in ('shoulder_lift', 'wrist_roll'):
        follower[joint]['range_max'] -= 500
    follower['gripper']['id'] = 9
    with pytest.raises(CalibrationRefused) as refused:
        pair(tmp_path, leader, follower)
    found = [(problem.joint, problem.what) for problem in refused.value.problems]
    between = 'range of both arms'
    assert found == [
        *(('elbow_flex', what) for what in ('id', 'drive_mode', 'range_max')),
        ('wrist_flex', 'range'),
        ('gripper', 'homing_offset'),
        ('gripper', 'id'),
        *((joint, between) for joint in ('shoulder_lift', 'wrist_flex', 'wrist_roll')),
    ]
    sentence = str(refused.value)
    for problem in refused.value.problems:
        assert str(problem) in sentence and problem.where in sentence
        assert problem.recorded in sentence and problem.remedy in sentence


def test_the_allowed_difference_of_a_pair_is_a_choice(tmp_path):
    short = table()
    short['shoulder_lift']['range_max'] -= 500
    with pytest.raises(CellError, match='shoulder_lift: .*allowed: 10.0%'):
        pair(tmp_path, table(), short)
    assert pair(tmp_path, table(), short, Plausible(difference=0.3))


def test_the_old_list_format_is_named(tmp_path):
    content = {name: [0] * 6 for name in ('homing_offset', 'drive_mode', 'start_pos', 'end_pos')}
    content |= {'calib_mode': ['DEGREE'] * 6, 'motor_names': list(JOINTS)}
    with pytest.raises(CellError, match="LeRobot's old format .*./cell calibrate"):
        load_calibration(write(tmp_path, content))


def doubt(tmp_path, joint, low, high):
    """Return the doubt about one joint's zero, or None."""
    found = doubtful_zeros(load_calibration(write(tmp_path, narrowed(joint, low, high))))
    return next((each for each in found if each.joint == joint), None)


def test_a_range_that_was_cut_on_one_side_is_told_with_its_bound_in_degrees_and_mm(tmp_path):
    cut = doubt(tmp_path, 'shoulder_pan', 1300, 3294)  # 175 degrees
    assert cut.bound == pytest.approx((240 - 175.25) / 2, abs=0.1)
    assert cut.suggested == pytest.approx(22, abs=0.1)
    sentence = cut.sentence('arm.json')
    assert 'up to 32 degrees' in sentence and f'up to {cut.tool:.0f} mm' in sentence
    assert '22 degrees too low' in sentence and sentence.startswith('arm.json: shoulder_pan: ')


def test_a_whole_range_with_an_off_centre_homing_pose_is_no_doubt(tmp_path):
    # 236 degrees, whose middle is 26 degrees from its homing pose
    assert doubt(tmp_path, 'shoulder_pan', 1000, 3685) is None


def test_what_the_homing_pose_suggests_is_never_more_than_the_bound(tmp_path):
    found = doubt(tmp_path, 'shoulder_pan', 1100, 3685)  # 227 degrees, homing 30 degrees off
    assert found.bound == found.suggested == pytest.approx((240 - 227.2) / 2, abs=0.1)


def test_a_range_shorter_than_that_of_any_arm_is_doubtful_wherever_its_homing_was(tmp_path):
    found = doubt(tmp_path, 'shoulder_pan', 1121, 2973)  # 74 %, in the middle
    assert found.bound == pytest.approx((240 - 162.8) / 2, abs=0.1) and found.suggested == 0


def test_a_reversed_servo_turns_the_suggested_direction(tmp_path):
    content = narrowed('shoulder_pan', 1300, 3294)
    content['shoulder_pan']['drive_mode'] = 1
    (found,) = doubtful_zeros(load_calibration(write(tmp_path, content)))
    assert found.suggested == pytest.approx(-22, abs=0.1)
    assert '22 degrees too high' in found.sentence('')


@st.composite
def cut_ranges(draw):
    """A joint, a built arm's whole range in ticks, and a part of it that was recorded."""
    joint = draw(st.integers(0, 3))
    widest = (UPPER[joint] - LOWER[joint]) * 4096 / (2 * math.pi) + 20 * 4096 / 360
    whole = draw(st.integers(int(0.94 * widest), int(widest)))
    start = draw(st.integers(0, 4095 - whole))
    cut = [draw(st.integers(0, int(0.2 * whole))) for _ in range(2)]
    return joint, start, start + whole, start + cut[0], start + whole - cut[1]


@settings(max_examples=200, deadline=None)
@given(cut_ranges())
def test_the_bound_of_a_zero_holds_for_every_range_that_was_cut(cut):
    joint, start, end, low, high = cut
    content = narrowed(JOINTS[joint], low, high)
    rows = np.array([[e['range_min'], e['range_max']] for e in content.values()]).T
    calibration = make_calibration('', *np.zeros((2, 6), np.int64), *rows)
    error = abs((low + high) - (start + end)) / 2 * 360 / 4096
    for found in doubtful_zeros(calibration):
        if found.joint == JOINTS[joint]:
            assert error <= found.bound + 1e-6


def test_a_shift_of_the_shoulder_is_told_as_the_arc_of_the_tool():
    assert tool_shift(0, 0.2) == pytest.approx(2e3 * math.sin(0.1) * (0.25 - 0.0388), rel=0.01)
    assert tool_shift(4, 0.2) < 5  # the tool is nearly on the axis of wrist_roll


def test_a_joint_recorded_over_its_full_turn_has_no_doubtful_middle(tmp_path):
    assert doubt(tmp_path, 'wrist_roll', 0, 4095) is None


def test_a_range_beyond_the_joint_limits_is_told_once_with_the_degrees(tmp_path):
    path = write(tmp_path, narrowed('shoulder_lift', 780, 3268))  # 109.3 degrees to each side
    told = lost_reach(load_calibration(path))
    assert told.startswith(f'{path}: the joint limits (model) cut off')
    assert 'shoulder_lift 9 degrees below and 9 above' in told and 'shoulder_pan' not in told
    assert told.endswith('; joint_limits:=contact uses more of it')
    wider = lost_reach(load_calibrations({'leader': path}, joint_limits='contact')['leader'])
    assert '(contact)' in wider and 'shoulder_lift 5 degrees below and 8 above' in wider
    assert 'joint_limits:=' not in wider
    assert lost_reach(load_calibration(write(tmp_path, narrow()))) == ''


def narrow():
    """Return a file without a range beyond the model's limits."""
    content = table()
    for joint, span in zip(JOINTS, (UPPER - LOWER)[:5] * 4096 / (2 * math.pi)):
        half = int(span / 2) - 60
        content[joint].update(range_min=2047 - half, range_max=2047 + half)
    return content


@settings(max_examples=100, deadline=None)
@given(calibrations())
def test_the_limits_of_contact_are_the_recorded_range_within_the_wider_limits(model):
    contact = make_calibration(
        '',
        (model.scale < 0).astype(np.int64),
        model.homing_offset,
        model.range_min,
        model.range_max,
        joint_limits='contact',
    )
    ends = np.sort([contact.to_rad(contact.range_min), contact.to_rad(contact.range_max)], axis=0)
    lower, upper = JOINT_LIMITS['contact']
    assert contact.lower == pytest.approx(np.maximum(ends[0], lower))
    assert contact.upper == pytest.approx(np.minimum(ends[1], upper))
    assert np.all(contact.lower <= model.lower) and np.all(contact.upper >= model.upper)


def test_a_calibration_of_lerobot_is_found_by_the_id_of_its_arm(tmp_path, monkeypatch):
    monkeypatch.setenv('HF_LEROBOT_CALIBRATION', str(tmp_path))
    for kind, name in (
        ('robots/so101_follower', 'my_arm'),
        ('teleoperators/so101_leader', 'my_arm'),
    ):
        (tmp_path / kind).mkdir(parents=True)
        write(tmp_path / kind, table(), f'{name}.json')
    ids = {'follower': 'lerobot:my_arm', 'leader': 'lerobot:my_arm'}
    found = load_calibrations(ids)
    assert found['follower'].path == str(tmp_path / 'robots/so101_follower/my_arm.json')
    assert found['leader'].path == str(tmp_path / 'teleoperators/so101_leader/my_arm.json')
    with pytest.raises(
        CellError, match="no calibration of a follower with the id 'other'.*my_arm"
    ):
        load_calibrations({'follower': 'lerobot:other'})
    (tmp_path / 'robots/so100_follower').mkdir()
    write(tmp_path / 'robots/so100_follower', table(), 'my_arm.json')
    with pytest.raises(CellError, match='has 2 calibrations'):
        load_calibrations(ids)
