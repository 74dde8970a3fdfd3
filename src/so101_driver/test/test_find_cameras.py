"""`./cell find` with emulated V4L2 cameras: as listed and read as real ones are."""

import subprocess
import sys

import cv2
from driver_support.emulated_cameras import EmulatedCameras, compile_library
import numpy as np
import pytest

from so101_driver.bench_file import read_bench
from so101_driver.camera_hold import differ

pytestmark = pytest.mark.slow
FIND = """
import sys
from pathlib import Path
from so101_driver import bench_search, cameras
from so101_node import verb
bench_search.list_ports = list
bench_search.list_cameras = lambda: cameras.list_cameras(Path(sys.argv[1]))
sys.exit(verb.run(['find', *sys.argv[2:]]))
"""


def find(cameras, cwd, *words):
    return subprocess.run(
        [sys.executable, '-c', FIND, str(cameras.dev), *words],
        env=cameras.environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return compile_library(tmp_path_factory.mktemp('library'))


@pytest.fixture
def cameras(tmp_path, library):
    (tmp_path / 'dev/v4l/by-id').mkdir(parents=True)
    return EmulatedCameras(tmp_path / 'dev', library)


@pytest.fixture
def bench(tmp_path):
    (tmp_path / 'bench').mkdir()
    return tmp_path / 'bench'


def test_what_the_automatics_chose_is_held_and_written(cameras, bench):
    path = cameras.add(0)
    done = find(cameras, bench, '--hold')
    assert done.returncode == 0, done.stdout + done.stderr
    wrist = read_bench(bench / 'bench.yaml').cameras['wrist']
    assert (wrist.exposure, wrist.gain, wrist.white_balance) == (15.7, 40.0, 4600.0)
    assert wrist.focus == '' and wrist.device == path
    assert '9a0901 1' in ' '.join(cameras.log(0))  # its automatic is off


@pytest.mark.parametrize(
    'after, different',
    [((52, 49, 101), False), ((30, 30, 60), True), ((50, 50, 130), True), ((53, 53, 96), False)],
)
def test_a_darker_image_or_another_colour_is_a_different_image(after, different):
    assert differ(np.array([50.0, 50.0, 100.0]), np.array(after, np.float64)) is different


def test_an_exposure_that_is_too_long_for_the_rate_is_not_held(cameras, bench):
    cameras.add(0, controls=('9a0901 0 3 3', '9a0902 3 2047 660 9a0901 1'))
    done = find(cameras, bench, '--hold')
    assert done.returncode == 1
    assert 'exposes for 66 ms, longer than an image at 30 Hz takes; use more' in done.stdout
    assert read_bench(bench / 'bench.yaml').cameras['wrist'].exposure == ''


def test_a_camera_without_these_controls_is_told(cameras, bench):
    path = cameras.add(0, controls=())
    done = find(cameras, bench, '--hold')
    assert done.returncode == 1
    assert f'unclear: {path} has no control of exposure, gain or white balance;' in done.stdout
    assert read_bench(bench / 'bench.yaml').cameras['wrist'].exposure == ''


def test_cameras_are_listed_and_the_one_at_the_wrist_is_written_with_its_image(cameras, bench):
    dev = cameras.dev
    cameras.add(0, 'Wrist Camera')
    cameras.add(2, 'Front Camera', sizes=('MJPG 1280 720 30',))
    for number, name in ((0, 'usb-Wrist'), (2, 'usb-Front')):
        (dev / 'v4l/by-id' / name).symlink_to(f'../../video{number}')
    unclear = find(cameras, bench)
    assert unclear.returncode == 1
    assert 'which camera is at the wrist; give --camera DEVICE' in unclear.stderr
    done = find(cameras, bench, '--camera', '/dev/nowhere')
    assert done.returncode == 1 and 'the cameras are: ' in done.stderr
    wrist, front = (str(dev / 'v4l/by-id' / name) for name in ('usb-Wrist', 'usb-Front'))
    done = find(cameras, bench, '--camera', wrist, '--camera', f'front={front}')
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'  1  {wrist}: Wrist Camera' in done.stdout
    assert '     MJPG 1280x720 at 30 Hz' in done.stdout
    written = read_bench(bench / 'bench.yaml').cameras
    assert (written['wrist'].device, written['wrist'].rate) == (wrist, 30.0)
    assert (written['front'].width, written['front'].height) == (1280, 720)
    image = cv2.imread(str(bench / 'bench-images/video2.png'))
    assert image.shape == (720, 1280, 3) and image[9, 9, 2] > 200  # red at the upper left
