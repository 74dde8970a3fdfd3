"""`./cell find` on emulated arms: which arm is where, supplies, cameras, bench.yaml."""

from contextlib import ExitStack
import signal
import time

import cv2
from driver_support.emulated_arm import EmulatedArm
from driver_support.terminal import Terminal
import numpy as np
import pytest

from so101_driver import bench_search
from so101_driver.arm_ports import Port
from so101_driver.bench_file import read_bench
from so101_driver.camera_pictures import half_blocks, take
from so101_driver.cameras import CameraDevice, CameraFormat
from so101_driver.find import choose_arms, choose_cameras, size_and_rate, supply_voltage
from so101_node import verb
from so101_node.errors import CellError
from so101_sim import calibration_path

pytestmark = pytest.mark.timing

MJPG = CameraFormat('MJPG', 640, 480, (60.0, 30.0), (640, 480))


@pytest.fixture(autouse=True)
def bench(tmp_path, monkeypatch):
    """A directory with nothing in it, and a computer without ports, cameras and LeRobot."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HF_LEROBOT_CALIBRATION', str(tmp_path / 'lerobot'))
    monkeypatch.setattr(bench_search, 'list_ports', list)
    monkeypatch.setattr(bench_search, 'list_cameras', list)
    return tmp_path


@pytest.fixture
def arms(bench):
    """Return a function that starts an arm on a port."""
    with ExitStack() as stack:
        yield lambda name, arm, configured=False: stack.enter_context(
            EmulatedArm(bench / name, arm, configured, moving=False)
        )


class Person:
    """Answers questions in turn; does something before an answer."""

    def __init__(self, *answers):
        self.answers, self.asked, self.told = list(answers), [], []

    def ask(self, question):
        self.asked.append(question)
        answer = self.answers.pop(0)
        return answer() if callable(answer) else answer


def lines(capsys):
    return capsys.readouterr().out.splitlines()


# --- without a terminal ----------------------------------------------------------------------
def test_two_arms_are_told_apart_by_their_supplies_and_written(arms, bench, capsys):
    a, b = arms('a', 'leader'), arms('b', 'follower')
    words = ['find', '--port', 'a', '--port', 'b', '--voltage', '12', '--leader-voltage', '7.4']
    assert verb.run(words) == verb.OK
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.follower.voltage) == (b.port, 12.0)
    assert (found.leader.port, found.leader.voltage) == (a.port, 7.4)
    assert found.leader.calibration == str(bench / 'calibration/leader.json')
    assert 'calibration: calibration/leader.json' in (bench / 'bench.yaml').read_text()
    out = lines(capsys)
    assert f'  {a.port}: an arm at 7.4 V whose servos keep no known calibration' in out
    assert f'  follower.port: {b.port} (new)' in out
    assert out[-1] == 'next: ./cell calibrate follower'


def test_arms_that_nothing_tells_apart_need_an_argument(arms, bench, capsys):
    a, b = arms('a', 'leader'), arms('b', 'leader')
    ports = ['find', '--port', 'a', '--port', 'b']
    assert verb.run(ports) == verb.FAILED
    assert f'which arm is on {a.port} and on {b.port}; give --follower PORT' in (
        capsys.readouterr().err
    )
    assert not (bench / 'bench.yaml').exists()
    assert verb.run([*ports, '--follower', 'b']) == verb.OK
    out = lines(capsys)
    assert 'the supply of the follower is unknown; give --voltage V' in out
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.leader.port) == (b.port, a.port)
    assert found.follower.voltage is None


def test_an_older_file_is_kept_beside_and_what_is_not_found_now_is_kept_in_it(arms, bench, capsys):
    arm = arms('new', 'follower')
    old = (
        'version: 1\nfollower: {port: /dev/old, voltage: 12, calibration: /c/mine.json}\n'
        'leader: {port: /dev/l}\ncameras: {wrist: {device: /dev/video9, rate: 15}}\n'
    )
    (bench / 'bench.yaml').write_text(old)
    assert verb.run(['find', '--follower', 'new']) == verb.OK
    out = lines(capsys)
    assert f'  follower.port: {arm.port} (was /dev/old)' in out
    assert '  leader.port: /dev/l (kept)' in out
    assert '  cameras.wrist.rate: 15.0 (kept)' in out
    (backup,) = bench.glob('bench.yaml.2*')
    assert backup.read_text() == old and out[-2].endswith(f'(before: {backup.name})')
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.follower.calibration) == (arm.port, '/c/mine.json')
    assert (found.leader.port, found.cameras['wrist'].rate) == ('/dev/l', 15.0)
    assert verb.run(['find', '--follower', 'new']) == verb.OK
    assert 'has these values already' in capsys.readouterr().out
    assert len(list(bench.glob('bench.yaml*'))) == 2


def test_arms_that_nothing_tells_apart_are_as_in_the_older_file_if_their_names_stay(
    arms, bench, capsys
):
    for names, code in ((('a', 'b'), verb.OK), (('ttyACM0', 'ttyACM1'), verb.FAILED)):
        a, b = (arms(name, 'leader') for name in names)
        (bench / 'bench.yaml').write_text(
            f'version: 1\nfollower: {{port: {b.port}}}\nleader: {{port: {a.port}}}\n'
        )
        assert verb.run(['find', '--port', names[0], '--port', names[1]]) == code, names


def test_a_port_that_another_arm_has_now_is_not_as_in_the_older_file(arms, bench):
    a, b = arms('a', 'follower', True), arms('b', 'leader')
    file = calibration_path('follower')
    (bench / 'bench.yaml').write_text(
        f'version: 1\nfollower: {{port: {b.port}, calibration: {file}}}\n'
        f'leader: {{port: {a.port}}}\n'
    )
    assert verb.run(['find', '--port', 'a', '--port', 'b']) == verb.OK
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.leader.port) == (a.port, b.port)


def test_one_port_never_becomes_that_of_both_arms(arms, bench, capsys):
    arm = arms('a', 'leader')
    (bench / 'bench.yaml').write_text(f'version: 1\nleader: {{port: {arm.port}}}\n')
    assert verb.run(['find', '--follower', 'a']) == verb.OK
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.leader.port) == (arm.port, '')
    assert f'the leader is no longer on {arm.port}' in capsys.readouterr().out


def test_dry_run_prints_the_file_and_writes_nothing(arms, bench, capsys):
    arm = arms('port', 'follower')
    before = sorted(bench.iterdir())
    assert verb.run(['find', '--follower', 'port', '--voltage', '12', '--dry-run']) == verb.OK
    assert sorted(bench.iterdir()) == before
    assert f'follower:\n  port: {arm.port}\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    'words, sentence',
    [
        ([], 'neither an arm nor a camera is clear; plug them in, switch the supplies on'),
        (['--follower', '/dev/nowhere'], '--follower /dev/nowhere: no such port; '),
        (['--follower', 'port', '--leader', 'port'], '--follower and --leader are both '),
        (['--follower', 'port', '--voltage', '5'], 'measures 12.0 V, and the supply is said to'),
        (['--follower', 'port', '--voltage', '99'], 'follower_voltage:=99.0 is out of range'),
        (['--follower', 'port', '--camera', '/dev/video7'], '/dev/video7 is no camera; the camer'),
        (['--follower', 'port', '--camera', __file__], ', as cameras.wrist.device'),
        (['--camera', 'Front=/dev/video7'], '--camera:=Front is no role: small letters'),
        (['--write', 'port'], 'bench port is a device, not an ordinary file'),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(arms, bench, words, sentence, capsys):
    arms('port', 'follower')
    before = sorted(bench.iterdir())
    assert verb.run(['find', *words]) == verb.FAILED
    error = capsys.readouterr().err
    assert sentence in error.replace(str(bench) + '/', '') and error.count('\n') == 1
    assert sorted(bench.iterdir()) == before


def test_the_calibration_that_the_servos_keep_is_taken_and_names_the_arm(arms, bench, capsys):
    arms('port', 'follower', True)
    file = calibration_path('follower')
    (bench / 'bench.yaml').write_text(f'version: 1\nfollower: {{calibration: {file}}}\n')
    assert verb.run(['find', '--port', 'port', '--voltage', '12']) == verb.OK
    assert lines(capsys)[-1] == 'next: ./cell preflight sim:=false'
    assert read_bench(bench / 'bench.yaml').follower.calibration == file
    assert verb.run(['find', '--leader', 'port']) == verb.FAILED
    assert 'this arm is the follower: its servos keep' in capsys.readouterr().err


# --- with a person ---------------------------------------------------------------------------
@pytest.mark.slow
def test_a_person_unplugs_one_arm_and_tells_the_supplies(arms, bench):
    a, b = arms('a', 'leader'), arms('b', 'leader')
    terminal = Terminal('find', '--port', 'a', '--port', 'b', cwd=bench)
    terminal.read_until('Unplug the USB cable of the follower, then press Enter.', 20.0)
    terminal.enter()
    terminal.read_until('none of the ports has gone; unplug one cable only')
    terminal.read_until('then press Enter.')
    b.unplug_port()
    terminal.enter()
    terminal.read_until(f'{b.port} has gone. Plug it in again, then press Enter.')
    b.plug_port()
    terminal.enter()
    terminal.read_until(f'Is the leader on {a.port}? [yes]')
    terminal.enter()
    terminal.read_until('Supply voltage of the follower in V, as printed on the supply [7.4]:')
    terminal.enter('12')
    terminal.read_until('measures 7.4 V, and the supply is said to have 12.0 V')
    terminal.read_until('Supply voltage of the follower')
    terminal.enter()
    terminal.read_until('Supply voltage of the leader')
    terminal.enter('7')
    terminal.read_until('next: ./cell calibrate follower')
    assert terminal.process.wait(10) == 0
    found = read_bench(bench / 'bench.yaml')
    assert (found.follower.port, found.follower.voltage) == (b.port, 7.4)
    assert (found.leader.port, found.leader.voltage) == (a.port, 7.0)


@pytest.mark.slow
def test_ctrl_c_and_the_end_of_the_input_write_nothing(arms, bench):
    arms('a', 'leader')
    for end, code, sentence in (
        (lambda: stopped.process.send_signal(signal.SIGINT), verb.INTERRUPTED, 'find: stopped'),
        (lambda: stopped.send(b'\x04'), verb.FAILED, 'without an answer; nothing was written'),
    ):
        stopped = Terminal('find', '--port', 'a', cwd=bench)
        stopped.read_until('[follower] ', 20.0)
        time.sleep(0.1)  # it waits for the answer now
        end()
        stopped.read_until(sentence)
        assert stopped.process.wait(10) == code
    assert not (bench / 'bench.yaml').exists()


def test_a_single_arm_is_named_by_the_person():
    port = Port('/dev/a', '', 12.0, servos=True)
    for answer, arms in (('', {'follower': port}), ('LEAD', {'leader': port}), ('none', {})):
        assert choose_arms([port], {}, Person(answer).ask, print) == arms
    person = Person('right', 'follower')
    assert choose_arms([port], {}, person.ask, person.told.append) == {'follower': port}
    assert person.told == ['right is not one of follower, leader, none']


def test_ports_without_servos_are_no_arms_if_another_port_has_some():
    arm, other = Port('/dev/a', '', 12.0, servos=True), Port('/dev/gps', 'no servo answers')
    assert choose_arms([arm, other], {}, Person('').ask, print) == {'follower': arm}
    assert choose_arms([arm, other], {'follower': arm}, Person().ask, print) == {'follower': arm}
    empty = [Port('/dev/a', 'no servo answers'), Port('/dev/b', 'no servo answers')]
    both = {'follower': empty[0], 'leader': empty[1]}
    assert choose_arms(empty, {'follower': empty[0]}, Person('').ask, print) == both
    busy = Port('/dev/b', 'in use', free=False)
    assert choose_arms([busy], {}, Person().ask, print) == {}


def test_the_supply_is_asked_for_until_it_is_a_voltage():
    person = Person('twelve', '99', '12')
    volts = supply_voltage(
        'follower', Port('/dev/a', ''), None, None, person.ask, person.told.append
    )
    assert volts == 12.0 and len(person.told) == 2
    assert supply_voltage('leader', Port('/dev/a', ''), None, None, Person('').ask, print) is None
    assert supply_voltage('leader', Port('/dev/a', ''), None, 7.4, Person('').ask, print) == 7.4
    assert supply_voltage('leader', Port('/dev/a', ''), None, 7.4, Person(None).ask, print) == 7.4


# --- cameras ---------------------------------------------------------------------------------
def camera(path, *formats, problem=''):
    return CameraDevice(path, path, 'Camera', formats, problem)


def test_the_only_camera_is_at_the_wrist_and_of_several_a_person_tells():
    def choose(cameras, given=(), before=(), person=None):
        ask = person.ask if person else Person().ask
        return choose_cameras(cameras, dict(given), dict(before), ask, print)

    one, two = camera('/dev/video0', MJPG), camera('/dev/video2', MJPG)
    broken = camera('/dev/video4', problem='no permission')
    assert choose([broken, one]) == {'wrist': one}
    person = Person('2', '3')
    assert choose([broken, one, two], person=person) == {'wrist': one}
    assert choose([broken, one, two], person=person) == {'wrist': two}
    assert choose([one, two], person=Person(None)) == {}
    assert choose([one, two], before={'wrist': '/dev/video2'}) == {'wrist': two}
    both = {'wrist': '0'}, {'wrist': '/dev/video2'}
    assert choose([one, two], *both) == {'wrist': one}
    assert choose([one, two], {'front': '2'}) == {'front': two, 'wrist': one}
    assert choose([one], before={'front': '/dev/video0'}) == {'front': one}
    assert choose([one, two], before={'wrist': 'none', 'front': '0'}) == {'front': one}
    assert choose([]) == {}
    with pytest.raises(CellError, match='the cameras are: /dev/video0'):
        choose([one, broken], {'wrist': '/dev/video4'})


@pytest.mark.parametrize(
    'formats, chosen',
    [
        ([MJPG], (640, 480, 30.0)),
        ([CameraFormat('YUYV', 640, 480, (10.0,), (640, 480)), MJPG], (640, 480, 30.0)),
        ([CameraFormat('MJPG', 320, 240, (30.0,), (320, 240))], (320, 240, 30.0)),
        (
            [
                CameraFormat('MJPG', 1920, 1080, (30.0,), (1920, 1080)),
                CameraFormat('MJPG', 800, 600, (25.0, 15.0), (800, 600)),
            ],
            (800, 600, 25.0),
        ),
        ([CameraFormat('RGB3', 2592, 1944, (), (64, 64), (8, 8))], (640, 480, 30.0)),
    ],
)
def test_a_usual_size_and_rate_are_chosen(formats, chosen):
    assert size_and_rate(formats) == chosen


@pytest.fixture
def video(tmp_path):
    """A camera that is a video: left half red, right half blue."""
    path = str(tmp_path / 'video0.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*'MJPG'), 30.0, (640, 480))
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :320, 2] = image[:, 320:, 0] = 200
    for _ in range(8):
        writer.write(image)
    writer.release()
    return path


def test_a_camera_is_written_with_an_image_and_an_older_setting_is_kept(
    bench, video, monkeypatch, capsys
):
    monkeypatch.setattr(bench_search, 'list_cameras', lambda: [camera(video, MJPG)])
    words = ['--write', 'b/mine.yaml', '--camera', f'front={video}', '--camera', video]
    assert verb.run(['find', *words]) == verb.OK
    assert read_bench(bench / 'b/mine.yaml').cameras['front'].device == video
    wrist = read_bench(bench / 'b/mine.yaml').cameras['wrist']
    assert (wrist.device, wrist.width, wrist.height, wrist.rate) == (video, 640, 480, 30.0)
    out = capsys.readouterr().out
    assert f'     image: {bench}/b/bench-images/video0.png' in out and '▀' not in out
    image = cv2.imread(str(bench / 'b/bench-images/video0.png'))
    assert image[240, 100].argmax() == 2 and image[240, 500].argmax() == 0  # BGR
    (bench / 'bench.yaml').write_text(
        f'version: 1\ncameras: {{wrist: {{device: {video}, rate: 15, width: 320}}}}'
    )
    assert verb.run(['find']) == verb.OK
    wrist = read_bench(bench / 'bench.yaml').cameras['wrist']
    assert (wrist.width, wrist.height, wrist.rate) == (320, 480, 15.0)


def test_a_camera_that_delivers_no_image_is_told(bench, monkeypatch, capsys):
    (bench / 'video0').write_bytes(b'no video')
    both = [camera('video0', MJPG), camera('/dev/video1', problem='no permission to open it')]
    monkeypatch.setattr(bench_search, 'list_cameras', lambda: both)
    assert verb.run(['find']) == verb.OK
    out = lines(capsys)
    assert out[-1] == 'next: plug the follower in, switch it on, and run ./cell find again'
    assert '     delivers no image: another program may use it' in out
    assert '     no permission to open it' in out


def test_an_image_in_the_terminal_has_two_pixels_in_a_character(video):
    image = take(video, 640, 480)
    text = half_blocks(image, 16)
    assert text.plain == '\n'.join(['▀' * 16] * 6) + '\n'
    colours = [(span.style.color.triplet, span.style.bgcolor.triplet) for span in text.spans]
    assert colours[0][0].red > 150 > colours[0][0].blue
    assert colours[15][1].blue > 150 > colours[15][1].red
