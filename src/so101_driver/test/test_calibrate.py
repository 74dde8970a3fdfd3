"""The guided calibration on a pseudo-terminal, with an emulated arm."""

import json
import os
import pty
import select
import subprocess
import sys
import time

from driver_support.emulated_arm import EmulatedArm
import pytest

from so101_driver.calibration import load_calibration
from so101_sim import calibration_path

COMMAND = [sys.executable, '-m', 'so101_node.verb', 'calibrate']
REACH = (1100, 1000, 1000, 1000, 1500, 600)  # ticks to each side of the middle


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        environment = {**os.environ, 'TERM': 'xterm', 'COLUMNS': '100', 'LINES': '40'}
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, words)], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.text = ''

    def read_until(self, words, timeout=10.0):
        end = time.monotonic() + timeout
        while words not in self.text:
            assert time.monotonic() < end, self.text
            if not self.read(0.1):
                assert words in self.text, self.text

    def read(self, wait):
        """Read what arrives within `wait` s; return False at the program's end."""
        if select.select([self.master], [], [], wait)[0]:
            try:
                self.text += os.read(self.master, 10000).decode(errors='replace')
            except OSError:
                return False
        return True

    def enter(self):
        self.text = ''
        os.write(self.master, b'\n')


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        yield arm


def move(arm, terminal, share):
    """Move the joints and wait until the display shows it."""
    for servo, start, reach in zip(arm.servos, arm.start, REACH):
        servo.sensed = servo.sensed._replace(position=start + share * reach)
    terminal.text = ''
    terminal.read_until(f'│ {arm.servos[3].present_position:>4} │')


def test_a_guided_calibration_writes_a_file_that_the_driver_accepts(arm, tmp_path):
    path = tmp_path / 'follower.json'
    path.write_text('an old file')
    arm.start = [servo.sensed.position for servo in arm.servos]
    arm.servos[0].memory[40] = 1
    terminal = Terminal('follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    assert not any(servo.torque_on for servo in arm.servos)
    terminal.enter()
    terminal.read_until('shoulder_pan')
    terminal.enter()  # too early
    terminal.read_until('not complete, keep moving: shoulder_pan spans')
    for share in (0.5, 1.0, 0.0, -1.0, 0.0):
        move(arm, terminal, share)
    terminal.enter()
    terminal.read_until('saved')
    assert terminal.process.wait(10) == 0
    calibration = load_calibration(str(path))
    for i, reach in enumerate(REACH):
        expected = (0, 4095) if i == 4 else (2047 - reach, 2047 + reach)
        assert calibration.range_min[i] == pytest.approx(expected[0], abs=2)
        assert calibration.range_max[i] == pytest.approx(expected[1], abs=2)
        assert arm.servos[i].present_position == pytest.approx(2047, abs=2)
    (backup,) = tmp_path.glob('follower.json.2*')
    assert backup.read_text() == 'an old file'
    assert sorted(json.loads(path.read_text())['gripper']) == sorted(
        ['id', 'drive_mode', 'homing_offset', 'range_min', 'range_max']
    )
    checked = Terminal('follower', '--port', arm.port, '--file', path, '--check')
    checked.read_until('servos and file agree')
    assert checked.process.wait(10) == 0


def test_a_joint_that_was_not_near_its_middle_ends_the_calibration_and_keeps_the_old_file(
    arm, tmp_path
):
    path = tmp_path / 'follower.json'
    path.write_text('an old file')
    arm.start = [servo.sensed.position for servo in arm.servos]
    terminal = Terminal('follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    terminal.enter()
    terminal.read_until('shoulder_pan')
    for share in (1.0, 1.8, 2.2, 1.0, 0.0, -1.0, 0.0):  # over 4095 and on from 0
        move(arm, terminal, share)
    terminal.enter()
    terminal.read_until('shoulder_pan spans')
    terminal.read_until('nothing was saved')
    assert terminal.process.wait(10) == 1
    assert path.read_text() == 'an old file'


def test_check_shows_differences_and_writes_nothing(arm):
    arm.servos[1].memory[9] += 3
    worn = [servo.eeprom_writes for servo in arm.servos]
    terminal = Terminal(
        'follower', '--port', arm.port, '--file', calibration_path('follower'), '--check'
    )
    terminal.read_until('servos and file differ')
    assert '+3' in terminal.text and terminal.process.wait(10) == 1
    assert [servo.eeprom_writes for servo in arm.servos] == worn


def test_a_missing_port_is_refused_with_one_sentence(tmp_path):
    process = subprocess.run(
        [*COMMAND, 'leader', '--port', '/dev/nowhere', '--file', 'x.json'],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert process.returncode == 1 and 'no such port' in process.stderr
    assert 'Traceback' not in process.stderr
