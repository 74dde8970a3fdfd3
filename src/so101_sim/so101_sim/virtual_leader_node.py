"""The node `virtual_leader`: a leader arm that is none, for a follower without a leader arm.

It takes the place of the leader on the same topics: it mirrors the follower where the table of
modes says so, and keys and gamepads of terminal and page pull it as a hand pulls a leader. So the
human's actions come about as with a leader arm, and what is executed is what is stored.
"""

import time

import numpy as np
from sensor_msgs.msg import JointState

from so101_description.joint_messages import joint_state
from so101_description.joints import REST, pack
from so101_interfaces.msg import ActorStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.modes import LEADER_TORQUE, Mode
from so101_node.ros_node import PRIORITY, CellNode

from .leader import Leader
from .options import VirtualLeaderOptions

PERIOD = 0.01  # s
SPEED = 2.0  # rad/s at which it mirrors, as the driver moves an arm
SILENCE = 0.25  # s without a pull after which it is released, or without commands: it stays
ACTOR_SILENCE = 1.0  # s after which it mirrors nobody


class VirtualLeaderNode(CellNode):
    """`virtual_leader`: messages in and out around a `Leader`."""

    URGENT = PRIORITY  # the control loop needs its joint states in time

    OPTIONS = VirtualLeaderOptions
    options: VirtualLeaderOptions

    def __init__(self) -> None:
        super().__init__('virtual_leader')
        self._leader = Leader(self.options.joint_limits)
        self._goal, self._mirrors = REST.copy(), False
        self._pulled_at = self._goal_at = self._actor_at = 0.0  # s, monotonic
        self._states = self.create_publisher(
            JointState, names.JOINT_STATES.format(arm='leader'), qos.SENSOR_PUB
        )
        commands = names.JOINT_COMMANDS.format(arm='leader')
        self.create_subscription(JointState, commands, self._on_command, qos.COMMAND)
        self.create_subscription(JointState, names.SIM_HAND, self._on_pull, qos.COMMAND)
        self.create_subscription(ActorStatus, names.ACTOR_STATUS, self._on_actor, qos.STATUS)
        self._stepped = time.monotonic()
        self.create_timer(PERIOD, self._step)

    def _on_command(self, message: JointState) -> None:
        self._goal, self._goal_at = pack(message.name, message.position), time.monotonic()

    def _on_pull(self, message: JointState) -> None:
        position = pack(message.name, message.position) if message.name else None
        self._leader.pull(position)
        self._pulled_at = time.monotonic()

    def _on_actor(self, message: ActorStatus) -> None:
        if message.mode not in set(Mode):
            raise CellError(f'there is no mode {message.mode[:40]!r}')
        torque = LEADER_TORQUE[Mode(message.mode)]
        self._mirrors = self._mirrors if torque is None else torque
        self._actor_at = time.monotonic()

    def _step(self) -> None:
        now = time.monotonic()
        if now - self._pulled_at > SILENCE:
            self._leader.pull(None)
        mirrors = self._mirrors and now - self._actor_at < ACTOR_SILENCE
        goal = self._goal if now - self._goal_at < SILENCE else self._leader.position
        elapsed, self._stepped = now - self._stepped, now
        period = float(np.clip(elapsed, 1e-4, 5 * PERIOD))
        self._leader.step(period, np.full(6, mirrors), goal, np.full(6, SPEED))
        self._states.publish(joint_state(self._leader.position, self.get_clock().now().to_msg()))
