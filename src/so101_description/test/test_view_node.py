"""What view.launch.py shows besides the arms: the path of the tool and the workspace box."""

import subprocess
import sys
import time

from nav_msgs.msg import Path
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from visualization_msgs.msg import Marker

from so101_description.joints import JOINTS, REST
from so101_description.kinematics import Kinematics
from so101_description.kinematics_config import KinematicsConfig
from so101_node import names, qos

START = 'from so101_description.entry_points import {0}; {0}()'


@pytest.fixture
def node(domain):
    """A node beside `view`, with a frame prefix, and the FK service."""
    words = {'view': ['--ros-args', '-p', 'frame_prefix:=left/'], 'kinematics': []}
    started = [
        subprocess.Popen([sys.executable, '-c', START.format(name), *words[name]])
        for name in words
    ]
    rclpy.init()
    node = rclpy.create_node('client')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield node
    node.destroy_node()
    rclpy.shutdown()
    for process in started:
        process.terminate()
    for process in started:
        assert process.wait(10) == 0


def test_the_path_of_the_tool_and_the_box_of_the_cell_are_published(node):
    paths, boxes = [], []
    node.create_subscription(Path, names.VIEW_PATH, paths.append, qos.LATCHED)
    node.create_subscription(Marker, names.VIEW_BOX, boxes.append, qos.LATCHED)
    publisher = node.create_publisher(
        JointState, names.JOINT_STATES.format(arm='follower'), qos.SENSOR_PUB
    )
    poses = [REST, REST + 0.05, REST + 0.1]
    deadline, second = time.monotonic() + 30, 0
    while not (boxes and paths and len(paths[-1].poses) >= 3):
        assert time.monotonic() < deadline
        second += 1
        message = JointState(name=list(JOINTS), position=poses[second % 3].tolist())
        message.header.stamp.sec = second
        publisher.publish(message)
        rclpy.spin_once(node, timeout_sec=0.1)
    path = paths[-1]
    assert path.header.frame_id == path.poses[0].header.frame_id == 'left/base_link'
    tools = np.array([Kinematics().tool_pose(pose)[0] for pose in poses])
    for pose in path.poses:
        shown = (pose.pose.position.x, pose.pose.position.y, pose.pose.position.z)
        assert np.abs(tools - shown).sum(axis=1).min() < 1e-6
    points = np.array([(p.x, p.y, p.z) for p in boxes[0].points])
    assert points.shape == (24, 3)  # twelve edges
    default = KinematicsConfig()
    assert np.allclose(points.min(axis=0), default.box_min)
    assert np.allclose(points.max(axis=0), default.box_max)
    assert boxes[0].header.frame_id == 'left/base_link'
