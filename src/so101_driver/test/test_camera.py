"""The camera on a real video file (the device's place), core and node."""
import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import domain_coordinator
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CameraInfo, Image

from so101_description import names, qos
from so101_description.errors import CellError
from so101_driver.camera import Camera

START = 'from so101_driver.entry_points import camera; camera()'


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """MJPG, 10 frames of 64x48, all pure red (RGB)."""
    path = str(tmp_path_factory.mktemp('video') / 'red.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 30, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    return path


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


def test_frames_are_rgb_stamped_and_go_on_when_the_file_ends(video):
    frames = []
    camera = Camera(video, 64, 48, 100.0, lambda *frame: frames.append(frame), print)
    camera.open()
    run_for(camera, lambda: len(frames) > 25)
    stamps = [stamp for stamp, _ in frames]
    assert all(b > a for a, b in zip(stamps, stamps[1:]))
    image = frames[-1][1]
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert np.allclose(image.reshape(-1, 3).mean(axis=0), (254, 0, 0), atol=4)


def test_a_file_plays_at_the_rate(video):
    frames = []
    camera = Camera(video, 64, 48, 20.0, lambda *frame: frames.append(frame), print)
    camera.open()
    run_for(camera, lambda: len(frames) >= 8)
    stamps = np.array([stamp for stamp, _ in frames]) * 1e-9
    assert np.diff(stamps).mean() == pytest.approx(0.05, rel=0.3)


def test_a_lost_camera_comes_back(video, tmp_path):
    path = str(tmp_path / 'camera.avi')
    os.link(video, path)
    frames = []
    camera = Camera(path, 64, 48, 200.0, lambda *frame: frames.append(frame), print)
    camera.open()
    os.unlink(path)

    def lost_and_back():
        if len(frames) == 9 and not os.path.exists(path):
            os.link(video, path)
        return len(frames) > 15
    run_for(camera, lost_and_back)


@pytest.mark.parametrize('width, words', [(64, 'no such camera'), (0, 'opens but gives no frame')])
def test_no_camera_is_a_sentence(tmp_path, width, words):
    path = tmp_path / 'camera'
    if not width:
        path.write_bytes(b'no video')
    with pytest.raises(CellError, match=words):
        Camera(str(path), 64, 48, 30.0, None, print).open()


def test_another_size_is_refused(video):
    with pytest.raises(CellError, match='gives 64x48, not 640x480'):
        Camera(video, 640, 480, 30.0, None, print).open()


def test_the_node_publishes_image_and_camera_info(video):
    with domain_coordinator.domain_id() as number:
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(number),
                       'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
        process = subprocess.Popen(
            [sys.executable, '-c', START, '--ros-args', '-p', f'device:={video}',
             '-p', 'width:=64', '-p', 'height:=48'],
            env=environment, stderr=subprocess.PIPE, text=True)
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=number)
        node = rclpy.create_node('watcher', context=context)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        images, infos = [], []
        camera = names.WRIST_CAMERA
        node.create_subscription(
            Image, names.IMAGE.format(camera=camera), images.append, qos.SENSOR_SUB)
        node.create_subscription(
            CameraInfo, names.CAMERA_INFO.format(camera=camera), infos.append, qos.SENSOR_SUB)
        end = time.monotonic() + 8
        while (len(images) < 5 or not infos) and time.monotonic() < end:
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
    assert infos[-1].header.frame_id == camera + '_optical_frame'


def test_the_node_without_a_camera_is_one_sentence_and_exit_1():
    process = subprocess.run(
        [sys.executable, '-c', START, '--ros-args', '-p', 'device:=/dev/nowhere'],
        capture_output=True, text=True, timeout=10)
    assert process.returncode == 1
    assert len(process.stderr.strip().splitlines()) == 1
    assert '/dev/nowhere: no such camera' in process.stderr
