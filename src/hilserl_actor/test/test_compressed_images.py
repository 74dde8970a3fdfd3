"""The actor learns from compressed images of a foreign camera node, over real DDS."""

import time

from actor_support.fake_cell import (
    FakeCell,
    SlowableKinematics,
    bundle,
    own_domain,
    running,
    spinning,
    wait_for,
)
from actor_support.simulated_bench import SCHEMA
import numpy as np
import pytest
import rclpy

from hilserl_core.contract.observation import crop_resize
from so101_node.ros_node import not_urgent, urgent

pytestmark = [pytest.mark.graph, pytest.mark.slow]


@pytest.fixture
def cell():
    bundle(1)
    urgent()  # arms and cameras do not wait for other processes
    options = {'auto_start': 'true', 'sigma': '0.3', 'ready_time': 0.5}
    with own_domain():
        rclpy.init()
        cell = FakeCell('')
        cell.compressed = '.png'
        with (
            spinning(SlowableKinematics()),
            spinning(cell.node),
            running('actor', '', image_transport='compressed', **options),
        ):
            cell.publish_policy(1)
            yield cell
    not_urgent()


def test_steps_hold_the_decoded_images_and_a_damaged_image_makes_the_arm_hold(cell):
    cell.wait_for_mode('POLICY', 60.0)
    wait_for(lambda: len(cell.steps) > 5, 'steps', 30.0)
    (camera,) = SCHEMA.cameras
    sent = np.frombuffer(cell._image.data, np.uint8).reshape(120, 160, 3)
    expected = crop_resize(sent, camera)
    image = cell.steps[-1].images[0]
    stored = np.frombuffer(image.data, np.uint8).reshape(expected.shape)
    assert np.abs(stored.astype(int) - expected).mean() < 1.0  # one byte changes in each image

    cell.compressed = '.jpg'
    before = len(cell.steps)
    wait_for(lambda: len(cell.steps) > before + 3, 'steps of JPEG', 30.0)

    cell.cut = 100
    cell.wait_for_mode('RESET', 30.0)
    steps = len(cell.steps)
    time.sleep(0.5)
    assert len(cell.steps) == steps and cell.reported('the arm holds')
    cell.cut = 0
    cell.wait_for_mode('POLICY', 60.0)
