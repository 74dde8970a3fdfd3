"""The virtual leader mirrors where the table of modes says so, and a hand pulls it."""

import time

import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import JointState

from so101_description.joint_messages import joint_state
from so101_description.joints import REST, pack
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_sim.virtual_leader_node import VirtualLeaderNode

pytestmark = pytest.mark.graph


@pytest.fixture
def cell(domain):
    rclpy.init()
    leader, other = VirtualLeaderNode(), rclpy.create_node('other')
    executor = rclpy.executors.SingleThreadedExecutor()
    for node in (leader, other):
        executor.add_node(node)
    yield Cell(other, executor)
    executor.shutdown()
    for node in (leader, other):
        node.destroy_node()
    rclpy.shutdown()


class Cell:
    def __init__(self, node, executor):
        self._executor = executor
        self._status = node.create_publisher(ActorStatus, names.ACTOR_STATUS, qos.STATUS)
        self._commands = node.create_publisher(
            JointState, names.JOINT_COMMANDS.format(arm='leader'), qos.COMMAND
        )
        self._hand = node.create_publisher(JointState, names.SIM_HAND, qos.COMMAND)
        topic = names.JOINT_STATES.format(arm='leader')
        node.create_subscription(JointState, topic, self._on_state, qos.SENSOR_SUB)
        self.position = None

    def _on_state(self, message):
        self.position = pack(message.name, message.position)

    def run(self, mode, seconds, command=None, hand=None, until=lambda: False):
        """Be in a mode for this time; return whether `until` became true."""
        end, due = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.01)
            if time.monotonic() >= due:
                due = time.monotonic() + 0.05
                self._status.publish(ActorStatus(mode=mode))
                if command is not None:
                    self._commands.publish(joint_state(command))
                if hand is not None:
                    self._hand.publish(joint_state(hand))
            if self.position is not None and until():
                return True
        return False

    def near(self, pose, bound=0.01):
        return np.abs(self.position - pose).max() < bound


def test_it_mirrors_the_follower_until_a_human_drives_and_stays_where_a_hand_leaves_it(cell):
    inwards = np.array([0.2, 0.2, -0.2, -0.2, 0.2, 0.2])
    goal, pulled = REST + inwards, REST + 0.5 * inwards
    assert cell.run('IDLE', 10.0, until=lambda: cell.near(REST))
    cell.run('IDLE', 0.3, command=goal)
    assert cell.near(REST)  # nobody may move it there
    assert cell.run('POLICY', 10.0, command=goal, until=lambda: cell.near(goal))
    assert cell.run('HUMAN', 10.0, command=goal, hand=pulled, until=lambda: cell.near(pulled))
    cell.run('HUMAN', 0.3, command=goal, hand=pulled)  # the rest of its way
    left = cell.position.copy()
    cell.run('HUMAN', 0.5, command=goal)
    assert cell.near(left, 1e-6)


def test_a_push_against_the_mirror_is_far_enough_to_be_a_grab(cell):
    assert cell.run('POLICY', 10.0, command=REST, until=lambda: cell.near(REST))
    away = REST + np.array([0.5, 0, 0, 0, 0, 0])
    grabbed = lambda: cell.position[0] - REST[0] > 0.08  # noqa: E731  # as in leader_grab.py
    assert cell.run('POLICY', 10.0, command=REST, hand=away, until=grabbed)
