"""The guided calibration on a pseudo-terminal, with an emulated arm."""

from contextlib import closing
import io
import json
import os
import signal
import subprocess
import sys

from driver_support.calibration_shapes import changed, table
from driver_support.emulated_arm import EmulatedArm
from driver_support.terminal import Terminal
import numpy as np
import pytest
from rich.console import Console

from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.calibration_problems import Plausible
from so101_driver.check_calibration import compare
from so101_driver.configure import configure
from so101_driver.options import DriverOptions
from so101_driver.recording import Recording
from so101_driver.servos import IDS
from so101_driver.unfinished import mark_path
from so101_node.errors import CellError
from so101_sim import calibration_path

pytestmark = pytest.mark.timing

COMMAND = [sys.executable, '-m', 'so101_node.verb', 'calibrate']
REACH = (1100, 1000, 1000, 1000, 1500, 600)  # ticks to each side of the middle


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


@pytest.mark.slow
def test_a_guided_calibration_writes_a_file_that_the_driver_accepts(arm, tmp_path):
    path = tmp_path / 'follower.json'
    path.write_text('an old file')
    arm.start = [servo.sensed.position for servo in arm.servos]
    arm.servos[0].memory[40] = 1
    terminal = Terminal('calibrate', 'follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    assert not any(servo.torque_on for servo in arm.servos)
    terminal.enter()
    terminal.read_until('shoulder_pan')
    terminal.enter()  # too early
    terminal.read_until('not complete, keep moving: shoulder_pan: its range is')
    for share in (0.5, 1.0, 0.0, -1.0, 0.0):
        move(arm, terminal, share)
    terminal.enter()
    terminal.read_until('next: ./cell preflight sim:=false')
    assert 'saved: ' in terminal.text
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
    checked = Terminal('calibrate', 'follower', '--port', arm.port, '--file', path, '--check')
    checked.read_until('servos and file agree')
    assert checked.process.wait(10) == 0
    with closing(Bus(arm.port, IDS, answer_timeout=0.01)) as bus:  # as the driver's first start
        assert configure(bus, calibration, DriverOptions().max_speed) == []


@pytest.mark.slow
def test_a_joint_that_was_not_near_its_middle_ends_the_calibration_and_keeps_the_old_file(
    arm, tmp_path
):
    path = tmp_path / 'follower.json'
    path.write_text('an old file')
    arm.start = [servo.sensed.position for servo in arm.servos]
    terminal = Terminal('calibrate', 'follower', '--port', arm.port, '--file', path)
    terminal.read_until('middle of its range')
    terminal.enter()
    terminal.read_until('shoulder_pan')
    for share in (1.0, 1.8, 2.2, 1.0, 0.0, -1.0, 0.0):  # over 4095 and on from 0
        move(arm, terminal, share)
    terminal.enter()
    terminal.read_until('shoulder_pan: its range is')
    terminal.read_until('nothing was saved')
    assert terminal.process.wait(10) == 1
    assert path.read_text() == 'an old file'


def test_an_answer_with_another_servos_id_does_not_widen_a_range(arm):
    with closing(Bus(arm.port, IDS, answer_timeout=0.02)) as bus:
        recording = Recording(bus)
        recording.home()
        elbow = arm.servos[2]
        elbow.sensed = elbow.sensed._replace(position=elbow.sensed.position + 900.0)
        for _ in range(2):  # a jump is believed at the second answer
            recording.poll_positions()
        assert recording.high[2] == pytest.approx(2047 + 900, abs=2)
        arm.faults.inject('wrong_id', servo=3)  # now that of wrist_flex
        arm.faults.inject('drop', servo=4)
        while arm.faults.applied < 2:
            recording.poll_positions()
        recording.poll_positions()
        assert recording.high[3] == pytest.approx(2047, abs=2)


def test_check_shows_no_negative_zero(arm):
    calibration = load_calibration(calibration_path('follower'))
    for servo, zero in zip(arm.servos, calibration.zero):
        moved = np.floor(zero) - servo.present_position  # to half a tick below zero, or to zero
        servo.sensed = servo.sensed._replace(position=round(servo.sensed.position) + float(moved))
    with closing(Bus(arm.port, IDS, answer_timeout=0.02)) as bus:
        console = Console(file=io.StringIO(), width=120)
        compare(bus, calibration, console)
    shown = [line.split('│')[-2].strip() for line in console.file.getvalue().splitlines()[4:10]]
    assert '0.0' in shown and '-0.0' not in shown


def check_of(arm):
    file = calibration_path('follower')
    return Terminal('calibrate', 'follower', '--port', arm.port, '--file', file, '--check')


def test_check_shows_differences_and_writes_nothing(arm):
    arm.servos[1].memory[9] += 3
    worn = [servo.eeprom_writes for servo in arm.servos]
    terminal = check_of(arm)
    terminal.read_until('servos and file differ')
    assert '+3' in terminal.text and terminal.process.wait(10) == 1
    assert [servo.eeprom_writes for servo in arm.servos] == worn


def test_port_and_file_are_those_of_the_bench_unless_given(arm, tmp_path):
    (tmp_path / 'bench.yaml').write_text(
        f'version: 1\nfollower: {{port: {arm.port}, calibration: {calibration_path("follower")}}}'
    )
    checked = Terminal('calibrate', 'follower', '--check', cwd=tmp_path)
    checked.read_until('servos and file agree')
    assert checked.process.wait(10) == 0
    other = Terminal('calibrate', 'leader', '--check', cwd=tmp_path)
    other.read_until('bench.yaml has no leader.calibration; ./cell find writes it')
    assert other.process.wait(10) == 1


def test_the_adapter_is_measured_and_its_late_answers_are_awaited(arm):
    arm.bus.latency = lambda: 0.03  # s
    terminal = check_of(arm)
    terminal.read_until('ms late; time-out')
    terminal.read_until('servos and file agree')
    assert terminal.process.wait(10) == 0


def test_a_missing_port_is_refused_with_one_sentence(tmp_path):
    process = subprocess.run(
        [*COMMAND, 'leader', '--port', '/dev/nowhere', '--file', 'x.json'],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert process.returncode == 1 and 'no such port' in process.stderr
    assert 'Traceback' not in process.stderr


@pytest.mark.slow
def test_a_range_that_is_short_for_a_reason_is_recorded_with_least_range(arm, tmp_path):
    path = tmp_path / 'follower.json'
    arm.start = [servo.sensed.position for servo in arm.servos]
    terminal = Terminal(
        'calibrate', 'follower', '--port', arm.port, '--file', path, '--least-range', '0.4'
    )
    terminal.read_until('middle of its range')
    terminal.enter()
    terminal.read_until('shoulder_pan')
    for share in (0.5, -0.5, 0.0):  # 44 % of shoulder_pan
        move(arm, terminal, share)
    terminal.enter()
    terminal.read_until('saved')
    assert terminal.process.wait(10) == 0
    with pytest.raises(CellError, match='shoulder_pan: range is .* or set least_range'):
        load_calibration(str(path))
    load_calibration(str(path), Plausible(least=0.4))


def check(*words):
    return subprocess.run(
        [*COMMAND, *map(str, words), '--check'],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, 'COLUMNS': '200'},
    )


def test_check_shows_every_problem_of_a_pair_in_one_table_without_an_arm(tmp_path):
    contents = {'leader': table(), 'follower': table()}
    contents['leader']['elbow_flex'].update(id=4, homing_offset=3000)
    contents['follower']['shoulder_lift']['range_max'] -= 500
    paths = {}
    for arm, content in contents.items():
        paths[arm] = tmp_path / f'{arm}.json'
        paths[arm].write_text(json.dumps(content))
    found = check('leader', '--file', paths['leader'], '--other', paths['follower'])
    assert found.returncode == 1 and 'Traceback' not in found.stderr
    rows = [line for line in found.stdout.splitlines() if line.startswith('│ leader')]
    assert ['elbow_flex', 'elbow_flex', 'shoulder_lift'] == [r.split('│')[2].strip() for r in rows]
    assert '3 problems in' in found.stderr
    alone = check('follower', '--file', paths['follower'])
    assert alone.returncode == 0 and 'shoulder_lift: its zero may be wrong' in alone.stdout


@pytest.mark.slow
def test_check_uses_the_shares_of_a_bench(tmp_path):
    path = tmp_path / 'arm.json'
    path.write_bytes(changed('elbow_flex', range_min=2161))  # 45.4 %
    assert check('leader', '--file', path).returncode == 1
    assert check('leader', '--file', path, '--least-range', '0.4').returncode == 0
    refused = check('leader', '--file', path, '--least-range', '7')
    assert refused.returncode == 1 and 'least_range:=7 is out of range: 0.2 to 1' in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize('how', ['Ctrl-C', 'closed input'])
def test_an_interrupted_calibration_gives_the_servos_their_registers_back(arm, tmp_path, how):
    before = [bytes(servo.memory[:40]) for servo in arm.servos]
    terminal = Terminal(
        'calibrate', 'follower', '--port', arm.port, '--file', tmp_path / 'new.json'
    )
    terminal.read_until('middle of its range')
    terminal.enter()
    terminal.read_until('shoulder_pan')
    assert [bytes(servo.memory[:40]) for servo in arm.servos] != before
    if how == 'Ctrl-C':
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until('stopped; the servos have their old registers')
        assert terminal.process.wait(10) == 130
    else:
        os.write(terminal.master, b'\x04')
        terminal.read_until('calibration ended without Enter; nothing was saved')
        assert terminal.process.wait(10) == 1
    assert [bytes(servo.memory[:40]) for servo in arm.servos] == before
    assert not (tmp_path / 'new.json').exists() and not mark_path(tmp_path / 'new.json').exists()


def test_a_servo_that_counts_turns_is_calibrated_within_one(arm, tmp_path):
    arm.servos[2].memory[18] |= 16
    arm.servos[2].sensed = arm.servos[2].sensed._replace(position=-3000.0)
    bus = Bus(arm.port, IDS, answer_timeout=0.01)
    recording = Recording(bus)
    recording.home()
    bus.close()
    assert arm.servos[2].present_position == pytest.approx(2047, abs=2)
    assert not arm.servos[2].memory[18] & 16


def test_a_servo_that_counts_turns_is_changed_once_at_the_start_and_told(arm):
    arm.servos[2].memory[18] |= 16
    calibration = load_calibration(calibration_path('follower'))
    bus = Bus(arm.port, IDS, answer_timeout=0.01)
    lines = configure(bus, calibration)
    assert [line for line in lines if line.startswith('elbow_flex: it counted several turns')]
    assert not arm.servos[2].memory[18] & 16
    writes = arm.servos[2].eeprom_writes
    assert configure(bus, calibration) == []
    assert arm.servos[2].eeprom_writes == writes
    bus.close()
