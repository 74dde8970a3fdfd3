"""The list of cameras, against V4L2 as Linux does it (driver_support.fake_video)."""

import errno
import os
from pathlib import Path
import shutil
import subprocess

from driver_support.fake_video import META, REQUESTS, FakeKernel, FakeVideo, refuse
import pytest

from so101_driver import v4l2
from so101_driver.cameras import list_cameras

HEADER = Path('/usr/include/linux/videodev2.h')
WEBCAM = {
    'YUYV': [(640, 480, (30, 15)), (1280, 720, (10,))],
    'MJPG': [(640, 480, (60, 30)), (1280, 720, (30,))],
}


@pytest.fixture
def kernel(tmp_path):
    return FakeKernel(tmp_path)


def listed(kernel):
    return list_cameras(kernel.dev, kernel.ioctl)


def test_a_camera_is_listed_with_its_name_its_link_and_what_it_delivers(kernel):
    path = kernel.add(0, FakeVideo('UVC Camera', WEBCAM), by_id='usb-Cam_42-video-index0')
    (camera,) = listed(kernel)
    assert (camera.path, camera.card, camera.problem) == (path, 'UVC Camera', '')
    assert camera.stable_path == str(kernel.dev / 'v4l/by-id/usb-Cam_42-video-index0')
    assert [str(each) for each in camera.formats] == [
        'YUYV 640x480 at 30, 15 Hz',
        'YUYV 1280x720 at 10 Hz',
        'MJPG 640x480 at 60, 30 Hz',
        'MJPG 1280x720 at 30 Hz',
    ]


def test_cameras_come_in_the_order_of_their_numbers_without_metadata_nodes(kernel):
    for number, what in ((10, 'tenth'), (2, 'second'), (0, 'first')):
        kernel.add(number, FakeVideo(what, WEBCAM))
    kernel.add(1, FakeVideo('first', WEBCAM, capabilities=META))
    assert [camera.card for camera in listed(kernel)] == ['first', 'second', 'tenth']


def test_equal_cameras_without_serial_numbers_are_told_apart_by_their_socket(kernel):
    for number, socket in ((0, 'usb-0:1:1.0'), (2, 'usb-0:2:1.0')):
        kernel.add(number, FakeVideo('Twin', WEBCAM), by_id='usb-Twin', by_path=socket)
    kernel.add(4, FakeVideo('Other', WEBCAM), by_id='usb-Other_7', by_path='usb-0:3:1.0')
    names = [Path(camera.stable_path).name for camera in listed(kernel)]
    assert names == ['usb-0:1:1.0', 'usb-0:2:1.0', 'usb-Other_7']


def test_a_camera_without_links_has_its_number_only(kernel):
    path = kernel.add(3, FakeVideo('loopback', WEBCAM))
    assert listed(kernel)[0].stable_path == path


def test_a_range_of_sizes_is_one_format(kernel):
    kernel.add(0, FakeVideo('ranged', {'YUYV': [(32, 2592, 16, 32, 1944, 2)]}))
    ((ranged,),) = [camera.formats for camera in listed(kernel)]
    assert str(ranged) == 'YUYV 32x32 to 2592x1944 at 60, 5 Hz'
    assert ranged.fits(640, 480) and ranged.fits(2592, 1944)
    assert not ranged.fits(648, 480) and not ranged.fits(640, 481) and not ranged.fits(16, 32)


def test_a_driver_that_does_not_end_its_list_is_cut_off(kernel):
    class Endless(FakeVideo):
        def enum_fmt(self, fmt):
            fmt.pixelformat = int.from_bytes(b'MJPG', 'little')

    kernel.add(0, Endless('endless', WEBCAM))
    assert len(listed(kernel)[0].formats) == 64 * 2


def test_a_camera_unplugged_meanwhile_is_listed_with_the_reason(kernel):
    kernel.add(0, FakeVideo('here', WEBCAM))
    kernel.add(1, FakeVideo('gone', WEBCAM))

    def ioctl(file, *arguments):
        if os.readlink(f'/proc/self/fd/{file}').endswith('video1'):
            refuse(errno.ENODEV)
        return kernel.ioctl(file, *arguments)

    here, gone = list_cameras(kernel.dev, ioctl)
    assert here.formats and not gone.formats
    assert gone.problem == 'does not answer: No such device'


def test_files_and_computers_without_cameras_give_an_empty_or_a_clear_list(tmp_path):
    assert list_cameras(tmp_path) == []
    (tmp_path / 'video0').write_text('no device')  # the true ioctl of the true kernel
    (found,) = list_cameras(tmp_path)
    assert found.problem == 'does not answer: Inappropriate ioctl for device'


def test_the_numbers_are_those_of_the_linux_header(tmp_path):
    # Printed by a C program from <linux/videodev2.h>, x86-64.
    assert (v4l2.QUERYCAP, v4l2.ENUM_FMT) == (0x80685600, 0xC0405602)
    assert (v4l2.ENUM_FRAMESIZES, v4l2.ENUM_FRAMEINTERVALS) == (0xC02C564A, 0xC034564B)
    assert (v4l2.G_CTRL, v4l2.S_CTRL, v4l2.QUERYCTRL) == (0xC008561B, 0xC008561C, 0xC0445624)
    assert {v4l2.QUERYCAP, v4l2.ENUM_FMT, v4l2.S_CTRL, v4l2.QUERYCTRL} <= set(REQUESTS)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which('gcc') and HEADER.exists()), reason='needs gcc and header')
def test_the_numbers_are_those_of_this_computers_header(tmp_path):
    words = ['QUERYCAP', 'ENUM_FMT', 'ENUM_FRAMESIZES', 'ENUM_FRAMEINTERVALS']
    words += ['G_CTRL', 'S_CTRL', 'QUERYCTRL']
    prints = ''.join(f'printf("%lu\\n", (unsigned long)VIDIOC_{word});' for word in words)
    source = '#include <stdio.h>\n#include <linux/videodev2.h>\n'
    (tmp_path / 'v.c').write_text(source + 'int main(void){' + prints + '}')
    subprocess.run(['gcc', 'v.c', '-o', 'v'], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / 'v'], capture_output=True, text=True, check=True).stdout
    assert [int(line) for line in printed.split()] == [getattr(v4l2, word) for word in words]
