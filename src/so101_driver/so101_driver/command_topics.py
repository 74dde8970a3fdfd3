"""The driver's side of joint commands: who may send them, and the driver's status.

The executor must deliver message infos: `EventsExecutor` of rclpy 9.1.2 cannot.
"""

from collections.abc import Callable, Mapping
from functools import partial
import secrets
import time
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState

from so101_interfaces.msg import DriverStatus, JointRange
from so101_interfaces.srv import TakeCommand
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.graph import own_id, publishers, sender
from so101_node.publisher import Publisher
from so101_node.refusals import Refusals, short
from so101_node.stamps import to_ns

from .arm import Arm
from .commander import Commander
from .stop import StopLatch

STATUS_PERIOD = 0.1  # s


class CommandTopics:
    """Subscribes to the joint commands of `arms` and publishes DriverStatus.

    require_enabled(): raises CellError while nobody may have the command.
    """

    def __init__(
        self,
        node: Node,
        arms: Mapping[str, Arm],
        ports: Mapping[str, str],
        stop: StopLatch,
        joint_limits: str,
        follower_range: JointRange,
        patience: float,
        require_enabled: Callable[[], None],
    ):
        self._require_enabled = require_enabled
        self._node, self._arms, self._stop = node, arms, stop
        self._joint_limits, self._follower_range = joint_limits, follower_range
        self._publisher = node.create_publisher(DriverStatus, names.DRIVER_STATUS, qos.STATUS)
        self.commander = Commander(own_id(node), patience)
        self._topics = [names.JOINT_COMMANDS.format(arm=arm) for arm in ports]
        self._known: dict[bytes, Publisher] = {}
        self._session = secrets.token_hex(4)
        self._refusals = Refusals(lambda line: node.get_logger().warning(line))
        self._subscriptions: dict[str, Subscription[JointState]] = {
            arm: node.create_subscription(
                JointState,
                names.JOINT_COMMANDS.format(arm=arm),
                partial(self._on_commands, arm),
                qos.COMMANDS_SUB,
            )
            for arm in ports
        }
        node.create_service(TakeCommand, names.TAKE_COMMAND, self._on_take)
        node.create_timer(STATUS_PERIOD, self._on_timer)

    def publish(self) -> None:
        """Publish the status of this moment."""
        node, run_id = self.commander.held_by()
        status = DriverStatus(
            session=self._session,
            stop=int(self._stop.kind),
            stop_cause=self._stop.cause,
            commander=node,
            run_id=run_id,
            refused_commands=self._refusals.count,
            refusal=self._refusals.last,
            joint_limits=self._joint_limits,
            follower_range=self._follower_range,
        )
        status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(status)

    def _on_timer(self) -> None:
        lost = self.commander.check(time.monotonic())
        if lost:
            self._node.get_logger().info(lost)
        self.publish()

    def _on_commands(self, arm: str, message: JointState, info: dict[str, Any]) -> None:
        """Handle a command and all that wait behind it; the executor takes one at a time."""
        self._on_command(arm, message, info)
        subscription = self._subscriptions[arm]
        for _ in range(qos.COMMANDS_SUB.depth):
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if taken is None:
                return
            command, its_info = taken
            self._on_command(arm, command, dict(its_info))

    def _on_command(self, arm: str, message: JointState, info: dict[str, Any]) -> None:
        try:
            if arm not in self._arms:
                raise CellError(f'{arm}: command refused: its bus is not open yet')
            if self._stop:
                raise CellError(f'{arm}: command refused: {self._stop.sentence}')
            self.commander.require(self._sender(arm, info), time.monotonic())
            stamp_ns = to_ns(message.header.stamp)
            self._arms[arm].command(message.name, message.position, stamp_ns)
        except CellError as error:
            self._refusals.add_sentence(short(error))

    def _sender(self, arm: str, info: dict[str, Any]) -> Publisher | None:
        """Return the publisher of a message; None if it cannot be told."""
        gid = sender(info)
        if gid and gid in self._known:
            return self._known[gid]
        found = publishers(self._node, names.JOINT_COMMANDS.format(arm=arm))
        if not gid:  # releases before Kilted do not tell: sure only if there is one
            return found[0] if len(found) == 1 else None
        self._known = {each.gid: each for each in found if each.node}
        return self._known.get(gid) or next((each for each in found if each.gid == gid), None)

    def _on_take(
        self, request: TakeCommand.Request, response: TakeCommand.Response
    ) -> TakeCommand.Response:
        try:
            if self._stop:
                raise CellError(self._stop.sentence)
            self._require_enabled()
            found = [each for topic in self._topics for each in publishers(self._node, topic)]
            self.commander.take(found, request.node, request.run_id, time.monotonic())
            response.success = True
            self._node.get_logger().info('{} has the command{}'.format(*self._holder_words()))
        except CellError as error:
            response.message = str(error)
        self.publish()
        return response

    def _holder_words(self) -> tuple[str, str]:
        node, run_id = self.commander.held_by()
        return node, f' (run {run_id})' if run_id else ''
