"""A calibration whose process was killed leaves a mark, and the servos are restored from it."""

import json
from pathlib import Path
import signal
import time

from driver_support.driver_process import start
from driver_support.emulated_arm import EmulatedArm
from driver_support.terminal import Terminal
import pytest

from so101_description.joints import JOINTS
from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.configure import configure
from so101_driver.servos import IDS
from so101_driver.unfinished import end_mark, mark_path, read_mark
from so101_node.errors import CellError
from so101_sim import calibration_path

pytestmark = pytest.mark.timing


def eeprom(arm):
    return [bytes(servo.memory[:40]) for servo in arm.servos]


def move(servo, ticks):
    servo.sensed = servo.sensed._replace(position=servo.sensed.position + ticks)


def kill_calibration(arm, path):
    """Kill a calibration of the emulated follower after its homing."""
    terminal = Terminal('calibrate', 'follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    terminal.enter()
    terminal.read_until('shoulder_pan')
    terminal.process.kill()
    terminal.process.wait(10)


@pytest.fixture
def killed(tmp_path):
    """An arm whose calibration was killed: the arm, its file, its registers before."""
    path = tmp_path / 'follower.json'
    path.write_text(Path(calibration_path('follower')).read_text())
    with EmulatedArm(tmp_path / 'port') as arm:
        bus = Bus(arm.port, IDS, answer_timeout=0.01)
        configure(bus, load_calibration(str(path)))
        bus.close()
        before = eeprom(arm)
        move(arm.servos[0], 900)
        kill_calibration(arm, path)
        # With the new homing, this reads as outside of the recorded range; it is inside.
        move(arm.servos[0], -1900)
        assert eeprom(arm) != before and mark_path(path).exists()
        yield arm, path, before


@pytest.mark.slow
def test_restore_gives_the_servos_of_a_killed_calibration_their_registers_back(killed):
    arm, path, before = killed
    words = 'calibrate', 'follower', '--port', arm.port, '--file', path
    checked = Terminal(*words, '--check')
    checked.read_until('servos and file differ')
    assert './cell calibrate follower --restore' in checked.text.replace('\r\n', ' ')
    wrong = Terminal('calibrate', 'leader', '--port', arm.port, '--file', path, '--restore')
    wrong.read_until('is of the follower, not of the leader')
    assert wrong.process.wait(10) == 1 and eeprom(arm) != before
    restored = Terminal(*words, '--restore')
    restored.read_until('its servos have their old registers again')
    assert restored.process.wait(10) == 0
    assert eeprom(arm) == before and not mark_path(path).exists()
    again = Terminal(*words, '--restore')
    again.read_until('nothing to restore')
    assert again.process.wait(10) == 1


@pytest.mark.slow
def test_the_next_calibration_begins_with_the_registers_before_the_killed_one(killed):
    arm, path, before = killed
    terminal = Terminal('calibrate', 'follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    assert 'did not end; its servos have their old registers again' in terminal.text
    assert eeprom(arm) == before
    terminal.enter()
    terminal.read_until('shoulder_pan')
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(10) == 130
    assert eeprom(arm) == before and not mark_path(path).exists()


def test_configure_ends_a_killed_calibration(killed):
    arm, path, before = killed
    bus = Bus(arm.port, IDS, answer_timeout=0.01)
    configure(bus, load_calibration(str(path)))
    bus.close()
    assert eeprom(arm) == before
    assert 'its servos have the registers of' in end_mark(str(path), 'follower')
    assert not mark_path(path).exists() and end_mark(str(path), 'follower') == ''


@pytest.mark.parametrize(
    'change',
    [
        lambda mark: mark.pop('arm'),
        lambda mark: mark.update(arm=3),
        lambda mark: mark['registers'].pop('gripper'),
        lambda mark: mark['registers']['gripper'].pop('31'),
        lambda mark: mark['registers']['gripper'].update({'31': 70000}),
        lambda mark: mark['registers']['gripper'].update({'5': 3}),
        lambda mark: mark['registers'].update(wrist=mark['registers'].pop('gripper')),
    ],
)
def test_a_damaged_mark_writes_nothing(tmp_path, change):
    path = str(tmp_path / 'arm.json')
    row = {'9': 0, '11': 4095, '18': 12, '31': 100}
    mark = {'arm': 'leader', 'began': 'now', 'registers': {joint: dict(row) for joint in JOINTS}}
    mark_path(path).write_text(json.dumps(mark))
    began, registers = read_mark(path, 'leader')
    assert began == 'now' and registers['gripper'] == {9: 0, 11: 4095, 18: 12, 31: 100}
    change(mark)
    mark_path(path).write_text(json.dumps(mark))
    with pytest.raises(CellError, match='mark .*arm.json.unfinished is damaged'):
        read_mark(path, 'leader')


def test_a_missing_file_with_a_mark_names_the_way_out(tmp_path):
    path = str(tmp_path / 'arm.json')
    mark_path(path).write_text('')
    with pytest.raises(CellError, match='cannot be read: .*run ./cell calibrate --restore'):
        load_calibration(path)


@pytest.mark.slow
def test_the_drivers_start_ends_a_killed_calibration_and_tells_it(killed, ros):
    arm, path, before = killed
    driver = start(follower_port=arm.port, follower_calibration=path)
    try:
        end = time.monotonic() + 30.0
        while mark_path(path).exists():
            assert time.monotonic() < end and driver.poll() is None
            time.sleep(0.05)
    finally:
        driver.terminate()
        said = driver.communicate(timeout=20)[1]
    assert f'did not end; its servos have the registers of {path} now' in said
    assert eeprom(arm) == before
