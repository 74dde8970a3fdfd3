"""The images of several cameras in one observation: as near in time as they come, or none."""

from dataclasses import replace
from types import SimpleNamespace

from actor_support.simulated_bench import SCHEMA
import numpy as np
import pytest
from sensor_msgs.msg import JointState

from hilserl_actor.ros.sensors import Sensors
from so101_description.joints import JOINTS
from so101_node.cdr import image_to_cdr
from so101_node.errors import CellError
from so101_node.run_id import RunFilter

MS = 10**6
NOW = 1_700_000_000 * 10**9


class Cell:
    """The inputs of an actor with these cameras, at a time that a test sets."""

    def __init__(self, *cameras):
        self.now = NOW
        camera = SCHEMA.cameras[0]
        self.schema = replace(SCHEMA, cameras=tuple(replace(camera, name=c) for c in cameras))
        clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self.now))
        tool = SimpleNamespace(ask_tool=lambda position: lambda: np.zeros(3))
        arms = SimpleNamespace(on_executed=None, sent=0)
        self.sensors = Sensors(
            self.schema, tool, arms, clock, 0.2, 0.1, 0.05, False, RunFilter('')
        )

    def send(self, camera, age):
        """An image of `age` ms; its grey level is the age."""
        image = np.full((120, 160, 3), age, np.uint8)
        self.sensors.on_image(camera, image_to_cdr(self.now - age * MS, camera, image))

    def poll(self):
        message = JointState(name=list(JOINTS), position=[0.0] * 6)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.now, 10**9)
        self.sensors.on_joints('follower', message)
        return self.sensors.poll()

    def ages(self):
        sensed = self.poll()
        ages = [(self.now - stamp) // MS for stamp in sensed.image_stamps]
        assert [int(image[0, 0, 0]) for image in sensed.images] == ages  # its own pixels
        return ages


def test_the_images_of_a_step_are_those_nearest_in_time():
    cell = Cell('wrist_camera', 'front_camera')
    for age in (90, 57, 24):
        cell.send('wrist_camera', age)
    for age in (100, 60):
        cell.send('front_camera', age)
    assert cell.ages() == [57, 60]
    assert cell.sensors.image_skew == pytest.approx(0.003)
    assert [int(image[0, 0, 0]) for image in cell.sensors.images()] == [57, 60]
    cell.send('front_camera', 27)
    assert cell.ages() == [24, 27]


def test_one_camera_gives_its_newest_image():
    cell = Cell('wrist_camera')
    for age in (90, 57, 24):
        cell.send('wrist_camera', age)
    assert cell.ages() == [24] and cell.sensors.image_skew == 0.0


def test_the_arm_holds_if_two_cameras_are_too_far_apart():
    cell = Cell('wrist_camera', 'front_camera')
    cell.send('wrist_camera', 20)
    cell.send('front_camera', 71)
    with pytest.raises(CellError, match='front_camera image is 51 ms older than .* wrist_camera'):
        cell.poll()
    cell.send('front_camera', 70)
    assert cell.ages() == [20, 70]


def test_a_clock_that_was_set_back_leaves_no_image_of_before():
    cell = Cell('wrist_camera', 'front_camera')
    for camera in ('wrist_camera', 'front_camera'):
        cell.send(camera, 10)
    cell.now -= 10**9
    for camera in ('wrist_camera', 'front_camera'):
        cell.send(camera, 30)
    assert cell.ages() == [30, 30]
