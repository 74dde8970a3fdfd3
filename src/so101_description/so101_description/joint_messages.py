"""JointState and JointRange messages of one arm: joints by name, rad."""

from array import array
from collections.abc import Callable

from builtin_interfaces.msg import Time
import numpy as np
import numpy.typing as npt
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState

from so101_interfaces.msg import JointRange
from so101_node import names, qos

from .joints import JOINTS, Floats


def joint_state(
    position: npt.ArrayLike, stamp: Time | None = None, frame_id: str = ''
) -> JointState:
    """Return a message of joint positions (6,) rad. stamp: a Time message; None: 0."""
    position = np.ascontiguousarray(position, np.float64)
    message = JointState(name=list(JOINTS), position=array('d', position.tobytes()))
    message.header.frame_id = frame_id
    if stamp is not None:
        message.header.stamp = stamp
    return message


def joint_range(lower: npt.ArrayLike, upper: npt.ArrayLike) -> JointRange:
    """Return a message of the angles from `lower` to `upper`, each (6,) rad."""
    return JointRange(
        name=list(JOINTS),
        lower=array('d', np.asarray(lower, np.float64).tobytes()),
        upper=array('d', np.asarray(upper, np.float64).tobytes()),
    )


class LeaderPull:
    """Publishes the pose that a simulated hand pulls the leader to, and once its release."""

    def __init__(self, create_publisher: Callable[..., Publisher[JointState]]):
        self._publisher = create_publisher(JointState, names.SIM_HAND, qos.COMMAND)
        self._pulling = False

    def pull(self, position: Floats | None) -> None:
        """Pull the leader to joint positions (6,) rad; None: release it."""
        if position is not None:
            self._publisher.publish(joint_state(position))
        elif self._pulling:
            self._publisher.publish(JointState())  # no names: released
        self._pulling = position is not None
