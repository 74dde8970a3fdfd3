"""A real cell on emulated hardware: images of another node, and several cameras."""

from array import array
import threading
import time

from driver_support.emulated_arm import EmulatedArm
from driver_support.emulated_cameras import EmulatedCameras, compile_library
import numpy as np
import pytest
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from hilserl_tests.cell_process import CellProcess, own_domain
from so101_node import names, qos
from so101_sim import calibration_path

pytestmark = [pytest.mark.slow, pytest.mark.graph]
WRIST, FRONT = (names.IMAGE.format(camera=names.camera_of(role)) for role in ('wrist', 'front'))


@pytest.fixture
def node():
    """Return a node in a domain of its own, with the environment for a cell there."""
    with own_domain() as environment:
        rclpy.init()
        node = rclpy.create_node('test_of_cameras')
        try:
            yield node, environment
        finally:
            node.destroy_node()
            rclpy.shutdown()


@pytest.fixture
def arm(tmp_path):
    with EmulatedArm(tmp_path / 'follower') as arm:
        yield arm


def started(arm, environment, *words):
    """Start the preflight of a real cell with an emulated follower."""
    given = {
        'sim': 'false',
        'bench': 'none',
        'follower_port': arm.port,
        'follower_calibration': calibration_path('follower'),
        'preflight_wait': 40,
    }
    given |= dict(word.split(':=') for word in words)
    words = [f'{name}:={value}' for name, value in given.items()]
    return CellProcess(['preflight', *words], environment)


def published(node, stopping):
    """Publish 320x240 images, best effort and in YUYV, until `stopping`."""
    publisher = node.create_publisher(Image, WRIST, qos_profile_sensor_data)
    values = np.random.default_rng(0).integers(60, 180, (240, 320, 2), np.uint8)
    message = Image(height=240, width=320, encoding='yuv422_yuy2', step=640)
    message.data = array('B', values.tobytes())
    while not stopping.wait(1 / 30):
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)


def test_images_of_another_node_stand_in_for_the_camera(node, arm):
    node, environment = node
    stopping = threading.Event()
    thread = threading.Thread(target=published, args=(node, stopping))
    thread.start()
    cell = started(arm, environment, 'camera:=none', 'image_width:=320', 'image_height:=240')
    try:
        assert cell.wait(90) == 0, cell.text
    finally:
        stopping.set()
        thread.join()
    assert f'another node must publish {WRIST}' in cell.text
    assert 'ok    arms, camera and FK service' in cell.text


def test_each_camera_of_the_bench_is_a_node_with_topics_of_its_role(node, arm, tmp_path):
    node, environment = node
    cameras = EmulatedCameras(tmp_path, compile_library(tmp_path))
    wrist, front = cameras.add(0), cameras.add(1, sizes=['YUYV 320 240 30'])
    bench = tmp_path / 'bench.yaml'
    bench.write_text(
        f'version: 1\ncameras:\n  wrist: {{device: {wrist}, rotation: 90, exposure: 12.5}}\n'
        f'  front: {{device: {front}, width: 320, height: 240}}\n'
    )
    sizes, found = {}, set()
    for topic in (WRIST, FRONT):
        node.create_subscription(
            Image,
            topic,
            lambda image, topic=topic: sizes.update({topic: (image.width, image.height)}),
            qos.SENSOR_SUB,
        )
    environment |= {name: cameras.environment[name] for name in ('LD_PRELOAD', 'EMULATED_CAMERAS')}
    cell = started(arm, environment, f'bench:={bench}')
    deadline = time.monotonic() + 60
    while cell.process.poll() is None and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=0.1)
        found |= set(node.get_node_names())
    assert cell.wait(30) == 0, cell.text
    assert {'camera', 'front_camera'} <= found
    assert sizes == {WRIST: (480, 640), FRONT: (320, 240)}
    assert 'control 9a0902 125' in cameras.log(0)
