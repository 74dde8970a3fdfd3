"""The camera, core and node, with a video file in place of a device."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import domain_coordinator
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CameraInfo, Image

from so101_driver import brightness
from so101_driver.camera import Camera
from so101_driver.camera_calibration import load_camera_calibration
from so101_driver.camera_node import CameraNode
from so101_driver.camera_options import CameraOptions
from so101_node import names, qos
from so101_node.errors import REFUSED, CellError

START = 'from so101_driver.entry_points import camera; camera()'


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """MJPG, 10 images of 64x48, all pure red (RGB)."""
    path = str(tmp_path_factory.mktemp('video') / 'red.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 30, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    return path


def made(device, width, height, rate, on_image=None, log=print, **others):
    options = CameraOptions(
        camera_device=device, camera_width=width, camera_height=height, camera_rate=rate, **others
    )
    options.check()
    return Camera(options, on_image, log)


def run_for(camera, condition, timeout=5.0):
    thread = threading.Thread(target=camera.run, daemon=True)
    thread.start()
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'did not happen in time'
        time.sleep(0.01)
    camera.close()
    thread.join(3.0)
    assert not thread.is_alive()


def test_images_are_rgb_and_stamped_and_a_file_starts_again_at_its_end(video):
    images = []
    camera = made(video, 64, 48, 100.0, lambda *image: images.append(image))
    camera.open()
    run_for(camera, lambda: len(images) > 25)
    stamps = [stamp for stamp, _ in images]
    assert all(b > a for a, b in itertools.pairwise(stamps))
    image = images[-1][1]
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert np.allclose(image.reshape(-1, 3).mean(axis=0), (254, 0, 0), atol=4)


def test_a_file_plays_at_the_rate(video):
    images = []
    camera = made(video, 64, 48, 20.0, lambda *image: images.append(image))
    camera.open()
    run_for(camera, lambda: len(images) >= 8)
    stamps = np.array([stamp for stamp, _ in images]) * 1e-9
    assert np.diff(stamps).mean() == pytest.approx(0.05, rel=0.3)


def test_a_lost_camera_is_reopened(video, tmp_path):
    path = str(tmp_path / 'camera.avi')
    os.link(video, path)
    images = []
    camera = made(path, 64, 48, 200.0, lambda *image: images.append(image))
    camera.open()
    os.unlink(path)

    def lost_and_back():
        if len(images) == 9 and not os.path.exists(path):
            os.link(video, path)
        return len(images) > 15

    run_for(camera, lost_and_back)


@pytest.mark.parametrize(
    'width, words', [(64, 'no such camera'), (0, 'opens but delivers no image')]
)
def test_a_missing_camera_is_refused_with_one_sentence(tmp_path, width, words):
    path = tmp_path / 'camera'
    if not width:
        path.write_bytes(b'no video')
    with pytest.raises(CellError, match=words):
        made(str(path), 64, 48, 30.0).open()


def test_another_image_size_is_refused(video):
    with pytest.raises(CellError, match='delivers 64x48, not 640x480'):
        made(video, 640, 480, 30.0).open()


CALIBRATION = """
image_width: 64
image_height: 48
camera_name: wrist
camera_matrix: {rows: 3, cols: 3, data: [70.0, 0.0, 32.0, 0.0, 71.0, 24.0, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.0, 0.0, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [70.0, 0, 32.0, 0, 0, 71.0, 24.0, 0, 0, 0, 1, 0]}
"""


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda text: text.replace('width: 64', 'width: 640'), 'is for images of 640x48'),
        (
            lambda text: text.replace('71.0, 24.0, 0.0', '71.0, 24.0'),
            'camera_matrix.data: expected array of length >= 9',
        ),
        (lambda text: '[' + text, 'camera calibration .* is damaged'),
        (lambda text: 'wrist', 'expected object, got str'),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(tmp_path, change, words):
    path = tmp_path / 'camera.yaml'
    path.write_text(change(CALIBRATION))
    with pytest.raises(CellError, match=words):
        load_camera_calibration(str(path), 64, 48)


@pytest.mark.graph
def test_the_node_publishes_image_camera_info_and_diagnostics(video, tmp_path):
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    with domain_coordinator.domain_id() as number:
        environment = {
            **os.environ,
            'ROS_DOMAIN_ID': str(number),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                START,
                '--ros-args',
                '-p',
                f'camera_device:={video}',
                '-p',
                'camera_width:=64',
                '-p',
                'camera_height:=48',
                '-p',
                f'camera_calibration:={tmp_path}/camera.yaml',
            ],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=number)
        node = rclpy.create_node('watcher', context=context)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        images, infos, reports = [], [], []
        camera = names.WRIST_CAMERA
        node.create_subscription(
            Image, names.IMAGE.format(camera=camera), images.append, qos.SENSOR_SUB
        )
        node.create_subscription(
            CameraInfo, names.CAMERA_INFO.format(camera=camera), infos.append, qos.SENSOR_SUB
        )
        node.create_subscription(DiagnosticArray, names.DIAGNOSTICS, reports.append, qos.STATUS)
        end = time.monotonic() + 30
        while (len(images) < 5 or not infos or not reports) and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=8)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert process.returncode == 0, err
    assert len(images) >= 5
    image = images[-1]
    assert (image.encoding, image.width, image.height, image.step) == ('rgb8', 64, 48, 192)
    assert abs(image.data[0] - 254) < 6 and image.data[1] < 6
    assert (infos[-1].width, infos[-1].height) == (64, 48)
    assert infos[-1].k[0] == 70.0 and infos[-1].k[4] == 71.0 and infos[-1].d[1] == -0.2
    status = reports[-1].status[0]
    values = {v.key: v.value for v in status.values}
    assert status.name == 'camera: wrist_camera' and status.hardware_id == video
    assert float(values['rate_hz']) > 10 and float(values['age_s']) < 0.5
    assert values['brightness'] == values['brightness_at_start'] == 'nan'  # too few images yet
    assert infos[-1].header.frame_id == camera + '_optical_frame'


@pytest.mark.graph
def test_the_node_warns_of_a_drift_of_brightness(video, monkeypatch):
    monkeypatch.setattr(brightness, 'START', 5)
    monkeypatch.setattr(brightness, 'SMOOTHING', 1.0)
    values = {'camera_device': video, 'camera_width': 64, 'camera_height': 48}
    reports = []
    with domain_coordinator.domain_id() as number:
        rclpy.init(
            domain_id=number,
            args=['--ros-args', *(w for k, v in values.items() for w in ('-p', f'{k}:={v}'))],
        )
        node = CameraNode()
        node._camera.close()  # no more images than those below
        node._thread.join()
        node._brightness = brightness.Brightness()
        monkeypatch.setattr(node, 'diagnose', reports.append)
        for level in [100] * 5 + [50]:
            node._publish(1, np.full((48, 64, 3), level, np.uint8))
        node._camera.last_at = time.monotonic()
        node._camera.images += 1000  # the rate is right
        node._diagnose()
        node.destroy_node()
        rclpy.shutdown()
    assert reports[0].level == DiagnosticStatus.WARN, reports
    assert 'darker than at the start' in reports[0].message
    assert reports[0].values[-1].key == 'brightness_at_start'


@pytest.mark.slow
def test_the_node_without_a_camera_is_one_sentence_and_exit_3():
    process = subprocess.run(
        [sys.executable, '-c', START, '--ros-args', '-p', 'camera_device:=/dev/nowhere'],
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert process.returncode == REFUSED
    assert len(process.stderr.strip().splitlines()) == 1
    assert '/dev/nowhere: no such camera' in process.stderr
