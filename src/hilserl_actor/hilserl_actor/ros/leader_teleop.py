"""Moves the simulated or virtual leader for a person without a leader arm.

Terminal and console share it.
"""

from collections.abc import Sequence
import threading
import time

from sensor_msgs.msg import JointState

from so101_description.joint_messages import LeaderPull
from so101_description.joints import Floats, pack
from so101_node import names, qos
from so101_node.ros_node import CellNode

from ..operator.keyboard_teleop import KeyboardTeleop

PERIOD = 0.05  # s between two pulls


class LeaderTeleop:
    """Pulls the leader while a key is pressed or a push lasts. Any thread may call it."""

    def __init__(self, node: CellNode) -> None:
        self._teleop = KeyboardTeleop()
        self._leader: Floats | None = None
        self._pull_to = LeaderPull(node.create_publisher)
        self._lock = threading.Lock()
        topic = names.JOINT_STATES.format(arm='leader')
        node.create_subscription(JointState, topic, self._on_leader, qos.SENSOR_SUB)
        node.create_timer(PERIOD, self._pull)

    def press(self, key: str) -> bool:
        """Note a key of a terminal; return False if it does not move the leader."""
        with self._lock:
            return self._teleop.press(key, time.monotonic())

    def push(self, direction: Sequence[float], seconds: float) -> None:
        """Move in a direction (4,), as in DIRECTIONS, for this time; all 0: release at once."""
        now = time.monotonic()
        with self._lock:
            began = not self._teleop.pushed(now)
            self._teleop.push(direction, now + seconds)
        if began or not any(direction):
            self._pull()

    def _on_leader(self, message: JointState) -> None:
        self._leader = pack(message.name, message.position)

    def _pull(self) -> None:
        if self._leader is None:
            return
        with self._lock:
            self._pull_to.pull(self._teleop.target(time.monotonic(), PERIOD, self._leader))
