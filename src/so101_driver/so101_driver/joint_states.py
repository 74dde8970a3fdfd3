"""Publishes one arm's measurements and accepted commands, from the arm's thread."""

from array import array

from rclpy.node import Node
from sensor_msgs.msg import JointState

from so101_description.joint_messages import joint_state
from so101_description.joints import JOINTS, MAX_EFFORT, Floats
from so101_node import names, qos


class JointStates:
    """Publishes `{arm}/joint_states` (one message object, reused) and `{arm}/joint_targets`."""

    def __init__(self, node: Node, arm: str):
        self._publisher = node.create_publisher(
            JointState, names.JOINT_STATES.format(arm=arm), qos.SENSOR_PUB
        )
        self._targets = node.create_publisher(
            JointState, names.JOINT_TARGETS.format(arm=arm), qos.COMMAND
        )
        self._message = JointState(name=list(JOINTS))
        self._message.header.frame_id = names.base_frame_of(arm)

    def publish(self, stamp_ns: int, position: Floats, velocity: Floats, load: Floats) -> None:
        """Publish one measurement, arrays (6,) float64: rad, rad/s, share of full drive.

        The effort in N.m is estimated: that share of the stall torque.
        """
        message = self._message
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        message.position = array('d', position.tobytes())
        message.velocity = array('d', velocity.tobytes())
        message.effort = array('d', (load * MAX_EFFORT).tobytes())
        self._publisher.publish(message)

    def publish_target(self, stamp_ns: int, target: Floats) -> None:
        """Publish an accepted command: its stamp and its target (6,) rad."""
        message = joint_state(target, frame_id=self._message.header.frame_id)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._targets.publish(message)
