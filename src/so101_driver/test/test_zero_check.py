"""Zeros that are wrong are found in two poses, and corrected in the file."""

import json

from driver_support.emulated_arm import EmulatedArm
from driver_support.terminal import Terminal
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_description.joints import CONTACT_LOWER, CONTACT_UPPER, JOINTS
from so101_description.kinematics import Kinematics
from so101_driver.bus import Bus
from so101_driver.calibration import calibration_of, load_calibration
from so101_driver.calibration_warnings import doubtful_zeros
from so101_driver.configure import configure
from so101_driver.servos import IDS
from so101_driver.zero_check import ACCURACY, FOLDED, LARGEST, corrected, corrections
from so101_node.errors import CellError
from so101_sim import calibration_path

pytestmark = pytest.mark.timing

TRUE = load_calibration(calibration_path('follower'))
POSES = np.radians([[*FOLDED, 40.0, 10.0, 20.0], [25.0, -50.0, 50.0, 90.0, -30.0, 5.0]])
SHIFTS = {'shoulder_pan': -9.0, 'shoulder_lift': 12.0, 'elbow_flex': -17.0, 'wrist_flex': 20.0}


def cut(shifts):
    """Return the true file with ranges cut short, so that zeros are wrong by `shifts`, degrees.

    A positive shift: the angles are read too high, as the upper end is missing.
    """
    with open(calibration_path('follower'), encoding='utf-8') as file:
        content = json.load(file)
    for joint, degrees in shifts.items():
        missing = round(2 * abs(degrees) * 4096 / 360)
        if degrees > 0:
            content[joint]['range_max'] -= missing
        else:
            content[joint]['range_min'] += missing
    return content


def reads(content, angles):
    """Return what an arm with this file reads at true joint angles (6,) rad."""
    return calibration_of(content, 'cut').to_rad(TRUE.zero + angles / TRUE.scale)


def true_reading(calibration, angles):
    """Return what the servos of a corrected file read, whose homing may differ, at true angles."""
    actual = TRUE.zero + angles / TRUE.scale + TRUE.homing_offset
    return calibration.to_rad((actual - calibration.homing_offset) % 4096)


def test_poses_that_are_set_exactly_give_the_shifts_exactly():
    content = cut(SHIFTS)
    found = corrections(*(reads(content, pose) for pose in POSES))
    assert found == pytest.approx(list(SHIFTS.values()), abs=0.1)


by_hand = st.tuples(*(st.floats(-exact, exact) for exact in (3, 3, 2, 1, 1, 2)))


@settings(max_examples=100, deadline=None)
@given(st.tuples(*(st.floats(-25, 25) for _ in range(4))), by_hand)
def test_poses_that_are_set_by_hand_give_every_shift_within_the_accuracy(shift, hand):
    pan, lift, elbow, fore, gripper, wrist = hand
    folded = np.radians([FOLDED[0] + pan, FOLDED[1] + lift, FOLDED[2] + elbow, 0, 0, 0])
    level = np.radians([0, -50 + fore, 50 + gripper, 90 + wrist, 0, 0])
    offset = np.radians([*shift, 0, 0])
    found = corrections(folded + offset, level + offset)
    assert np.abs(found - shift).max() <= ACCURACY


@pytest.mark.parametrize('lift', [-60, -20, 10])
def test_the_level_pose_is_what_the_text_asks_for_in_the_model(lift):
    q = np.radians([20, lift, -lift, 90, 0, 0])
    rotation = Kinematics().tool_pose(q)[1]
    assert rotation[:, 0] == pytest.approx([0, 0, -1], abs=1e-4)  # the gripper points down
    turned = q.copy()
    turned[3] = 0.0  # along the fore-arm
    assert Kinematics().tool_pose(turned)[1][2, 0] == pytest.approx(0, abs=1e-4)
    assert corrections(np.radians([*FOLDED, 0, 0, 0]), q) == pytest.approx(np.zeros(4), abs=1e-6)


def test_an_absurd_correction_and_poses_that_disagree_are_refused():
    with pytest.raises(CellError, match=f'more than {LARGEST:.0f} degrees .elbow_flex by .41'):
        corrections(*(pose + np.radians([0, 0, 41, 0, 0, 0]) for pose in POSES))
    away = POSES[0] + np.radians([0, 10, 5, 0, 0, 0])  # not at the stops
    with pytest.raises(CellError, match='disagree by 15 degrees'):
        corrections(away, POSES[1])


@pytest.mark.parametrize('drive_mode', [0, 1])
def test_a_corrected_file_has_the_true_zeros_and_no_doubt_and_ends_before_the_parts_meet(
    drive_mode,
):
    content = cut(SHIFTS)
    content['elbow_flex']['drive_mode'] = drive_mode
    before = calibration_of(content, 'cut')
    errors = np.array(list(SHIFTS.values()))
    after = calibration_of(corrected(content, before, errors), 'corrected')
    for i, joint in enumerate(JOINTS[:4]):
        zero = after.zero[i] + after.homing_offset[i]  # in encoder ticks
        sign = np.sign(before.scale[i])
        wanted = before.zero[i] + before.homing_offset[i] + sign * errors[i] * 4096 / 360
        assert (zero - wanted) % 4096 == pytest.approx(0, abs=0.6) or (
            (wanted - zero) % 4096 == pytest.approx(0, abs=0.6)
        )
        assert after.range_max[i] - after.range_min[i] >= before.range_max[i] - before.range_min[i]
        half = (after.range_max[i] - after.range_min[i]) / 2 * abs(after.scale[i])
        assert half <= min(-CONTACT_LOWER[i], CONTACT_UPPER[i])
        assert joint not in [doubt.joint for doubt in doubtful_zeros(after)]
    assert [after.zero[4], after.zero[5]] == [before.zero[4], before.zero[5]]


def test_an_error_within_the_accuracy_changes_nothing():
    content = cut({})
    assert corrected(content, TRUE, np.array([3.9, -3.9, 0.0, 1.0])) == content


def test_a_homing_offset_stays_within_what_a_servo_takes():
    content = cut({'shoulder_lift': 20.0})
    content['shoulder_lift']['homing_offset'] = 2000
    before = calibration_of(content, 'cut')
    found = corrected(content, before, np.array([0.0, 20.0, 0.0, 0.0]))
    homing = found['shoulder_lift']['homing_offset']
    assert abs(homing) <= 2047 and (homing - 2000 - round(before.zero[1]) + 2047) % 4096 in (
        227,
        228,
    )


class Bench:
    """An emulated arm whose file and servos have shifted zeros, and the verb on a terminal."""

    def __init__(self, arm, path):
        self.arm, self.path = arm, path
        path.write_text(json.dumps(cut(SHIFTS)))
        bus = Bus(arm.port, IDS, answer_timeout=0.01)
        configure(bus, load_calibration(str(path)))
        bus.close()

    def run(self, *words):
        self.terminal = Terminal(
            'calibrate', 'follower', '--port', self.arm.port, '--file', self.path, *words
        )
        return self.terminal

    def set_pose(self, angles):
        """Put the joints to true angles (6,) rad, and press Enter."""
        for servo, zero, scale, homing, angle in zip(
            self.arm.servos, TRUE.zero, TRUE.scale, TRUE.homing_offset, angles
        ):
            servo.sensed = servo.sensed._replace(position=zero + angle / scale + homing)
        self.terminal.enter()

    def show_both_poses(self, hand=np.zeros(6)):
        self.terminal.read_until('Pose 1 of 2')
        assert not any(servo.torque_on for servo in self.arm.servos)
        self.set_pose(POSES[0] + hand)
        self.terminal.read_until('Pose 2 of 2')
        self.set_pose(POSES[1] - hand)


@pytest.fixture
def bench(tmp_path):
    with EmulatedArm(tmp_path / 'port', moving=False) as arm:
        yield Bench(arm, tmp_path / 'follower.json')


@pytest.mark.slow
def test_shifted_zeros_of_an_arm_are_corrected_in_file_and_servos(bench):
    old = bench.path.read_text()
    terminal = bench.run('--check-zero', '--yes')
    hand = np.radians([1.0, -1.0, 1.0, 1.5, 0, 0])  # how a person misses the poses
    bench.show_both_poses(hand)
    terminal.read_until('saved: ')
    assert 'not told by these poses' in terminal.text
    assert terminal.process.wait(10) == 0
    calibration = load_calibration(str(bench.path))
    for pose in POSES:
        wrong = np.degrees(true_reading(calibration, pose) - pose)[:4]
        assert np.abs(wrong).max() <= ACCURACY, wrong
    (backup,) = bench.path.parent.glob('follower.json.2*')
    assert backup.read_text() == old
    assert not bench.path.with_name('follower.json.new').exists()
    checked = bench.run('--check')
    checked.read_until('servos and file agree')
    again = bench.run('--check-zero')
    bench.show_both_poses()
    again.read_until('all within 4 degrees')
    assert again.process.wait(10) == 0


@pytest.mark.slow
def test_nothing_is_written_without_consent(bench):
    old, worn = bench.path.read_text(), [servo.eeprom_writes for servo in bench.arm.servos]
    terminal = bench.run('--check-zero')
    bench.show_both_poses()
    terminal.read_until('keep the old one beside it? [y/N]')
    terminal.enter()
    terminal.read_until('nothing was written')
    assert terminal.process.wait(10) == 1
    assert bench.path.read_text() == old and len(list(bench.path.parent.glob('follower*'))) == 1
    assert [servo.eeprom_writes for servo in bench.arm.servos] == worn


@pytest.mark.slow
def test_an_absurd_correction_is_one_sentence_and_changes_nothing(bench):
    old = bench.path.read_text()
    terminal = bench.run('--check-zero', '--yes')
    bench.show_both_poses(np.radians([50.0, 0, 0, 0, 0, 0]))
    terminal.read_until('more than 30 degrees (shoulder_pan by +41)')
    assert terminal.process.wait(10) == 1 and 'Traceback' not in terminal.text
    assert bench.path.read_text() == old


@pytest.mark.slow
def test_servos_with_another_homing_are_refused(bench):
    bench.arm.servos[2].memory[31] += 5
    terminal = bench.run('--check-zero', '--yes')
    terminal.read_until('elbow_flex: the servos have another homing than')
    assert terminal.process.wait(10) == 1
