"""The camera against an emulated V4L2 device, through OpenCV as with a real one."""

import json
import subprocess
import sys
import time

from driver_support.emulated_cameras import EmulatedCameras, compile_library
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timing]
READ = """
import json, sys, threading, time
from so101_driver.camera import Camera
from so101_driver.camera_options import CameraOptions
from so101_node.errors import CellError
told, images = [], []
options = CameraOptions(**json.loads(sys.argv[1]))
options.check()
camera = Camera(options, lambda stamp, image: images.append((stamp, image)), told.append)
try:
    camera.open()
except CellError as error:
    print(json.dumps({'error': str(error)}))
    sys.exit()
thread = threading.Thread(target=camera.run)
thread.start()
end = time.monotonic() + float(sys.argv[2])
while len(images) < 16 and time.monotonic() < end:
    time.sleep(0.01)
camera.close()
thread.join()
image = images[-1][1]
corners = [image[y, x].tolist() for y in (9, -9) for x in (9, -9)]
rate = (len(images) - 1) / (images[-1][0] - images[0][0]) * 1e9
report = {'request': camera.request, 'told': told, 'shape': image.shape, 'corners': corners}
report |= {'rate': rate, 'reopened': camera.reopened, 'done': camera.controls.done}
print(json.dumps(report))
"""
DARK, WHITE = pytest.approx([0, 0, 0], abs=4), pytest.approx([255, 255, 255], abs=4)
RED = pytest.approx([250, 0, 0], abs=4)


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return compile_library(tmp_path_factory.mktemp('library'))


@pytest.fixture
def cameras(tmp_path, library):
    return EmulatedCameras(tmp_path, library)


def started(cameras, number, seconds=5.0, **options):
    """Start a process that reads a camera."""
    options = {'camera_device': str(cameras.dev / f'video{number}'), **options}
    words = [sys.executable, '-c', READ, json.dumps(options), str(seconds)]
    return subprocess.Popen(words, env=cameras.environment, stdout=subprocess.PIPE, text=True)


def read(cameras, number, **options):
    """Read 16 images; return what the process found."""
    output, _ = started(cameras, number, **options).communicate(timeout=30)
    return json.loads(output)


def test_the_preferred_format_is_mjpg_at_the_wanted_size(cameras):
    cameras.add(0)
    found = read(cameras, 0)
    assert cameras.log(0)[-1] == 'stream MJPG 640x480 30'
    assert found['shape'] == [480, 640, 3] and found['corners'] == [RED, DARK, DARK, DARK]
    assert found['rate'] == pytest.approx(30.0, rel=0.1)
    assert found['told'] == []


def test_a_camera_without_mjpg_delivers_yuyv_at_its_other_rate_and_a_rotation_turns_it(cameras):
    cameras.add(0, sizes=['YUYV 640 480 30 20'])
    found = read(cameras, 0, camera_rotation=90, camera_rate=20)
    assert cameras.log(0)[-1] == 'stream YUYV 640x480 20'
    assert found['rate'] == pytest.approx(20.0, rel=0.1)
    assert found['shape'] == [640, 480, 3] and found['corners'] == [DARK, WHITE, DARK, DARK]


def test_the_middle_of_a_larger_size_is_resized_and_told_once(cameras):
    cameras.add(0, sizes=['MJPG 1280 720 30', 'YUYV 1280 720 10', 'MJPG 320 240 30'])
    found = read(cameras, 0)
    assert cameras.log(0)[-1] == 'stream MJPG 1280x720 30'
    assert found['shape'] == [480, 640, 3] and found['corners'] == [RED, DARK, DARK, DARK]
    (sentence,) = found['told']
    assert 'has no 640x480: it is read at 1280x720, the middle is resized' in sentence


def test_a_format_that_was_asked_for_is_used_and_its_rate_told(cameras):
    cameras.add(0)
    found = read(cameras, 0, camera_format='YUYV', camera_width=1280, camera_height=720)
    assert cameras.log(0)[-1] == 'stream YUYV 1280x720 10'
    assert found['rate'] == pytest.approx(10.0, rel=0.1)
    assert 'delivers YUYV 1280x720 at 10 Hz at most, not at 30' in found['told'][0]


def test_locked_controls_are_set_and_a_refused_one_is_told_by_name(cameras):
    cameras.add(0)
    found = read(
        cameras,
        0,
        camera_exposure='12.5',
        camera_white_balance='4000',
        camera_gain='500',
        camera_focus='0',
    )
    controls = [line for line in cameras.log(0) if line.startswith('control')]
    assert controls == [
        'control 9a0901 1',  # manual
        'control 9a0902 125',  # of 0.1 ms
        'control 98090c 0',
        'control 98091a 4000',
    ]
    assert found['done'] == ['exposure 12.5 ms', 'white balance 4000 K']
    gain, focus = found['told']
    assert 'gain (camera_gain:=500) is out of its range, 0 to 100' in gain
    assert 'focus (camera_focus:=0) is no control of this camera' in focus


def test_a_camera_that_comes_back_gets_its_controls_again(cameras):
    cameras.add(0, sizes=SLOW)
    process = started(cameras, 0, seconds=20.0, camera_exposure='10', camera_rate=5)
    wait_for(lambda: (cameras.dev / 'video0.log').exists() and cameras.log(0)[-1:] == EXPOSED)
    cameras.unplug(0)
    (cameras.dev / 'video0.log').unlink()
    time.sleep(0.5)
    cameras.plug(0)
    found = json.loads(process.communicate(timeout=30)[0])
    assert found['reopened'] == 1
    assert [sentence.partition(': ')[2] for sentence in found['told']] == [
        'lost; trying to open it again',
        'reconnected',
    ]
    assert cameras.log(0) == ['stream MJPG 640x480 5', 'control 9a0901 1', *EXPOSED]


def test_a_camera_that_stops_to_deliver_is_opened_again_within_seconds(cameras):
    cameras.add(0, sizes=SLOW)
    process = started(cameras, 0, seconds=20.0, camera_exposure='10', camera_rate=5)
    wait_for(lambda: (cameras.dev / 'video0.log').exists() and cameras.log(0)[-1:] == EXPOSED)
    stall = cameras.dev / 'video0.stall'
    stall.touch()
    since = time.monotonic()
    time.sleep(0.5)
    stall.unlink()
    wait_for(lambda: sum(line.startswith('stream') for line in cameras.log(0)) == 2)
    assert time.monotonic() - since < 9.0  # OpenCV alone waits for 10 s
    found = json.loads(process.communicate(timeout=30)[0])
    assert found['reopened'] == 1


EXPOSED, SLOW = ['control 9a0902 100'], ['MJPG 640 480 5']


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'did not happen in time'
        time.sleep(0.02)


@pytest.mark.parametrize(
    'options, words',
    [
        ({'camera_width': 1920, 'camera_height': 1080}, 'has no size of 1920x1080 or more'),
        ({'camera_format': 'H264'}, 'does not offer camera_format:=H264; it offers YUYV 640x480'),
    ],
)
def test_what_the_camera_cannot_do_is_refused_with_what_it_can(cameras, options, words):
    path = cameras.add(0)
    found = read(cameras, 0, **options)
    assert found['error'].startswith(f'{path}: {words}')
    assert 'MJPG 1280x720 at 30 Hz' in found['error'] or 'camera_format' in found['error']
