"""The driver's stops as services and topics, which anybody may use in every mode.

They have a callback group of their own: a slow service of an arm must not delay a stop.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from so101_node import names, qos
from so101_node.graph import publishers, sender

from .arm import Arm
from .stop import Stop, StopLatch

_NAMES = {names.DRIVER_STOP: Stop.HOLD, names.DRIVER_RELEASE: Stop.RELEASE}


class StopServices:
    """Serves `driver/stop`, `driver/release` and `driver/stop_reset`.

    on_change(): called after a stop or its end.
    """

    def __init__(
        self,
        node: Node,
        arms: Mapping[str, Arm],
        stop: StopLatch,
        on_change: Callable[[], None],
    ):
        self._node, self._arms, self._stop, self._on_change = node, arms, stop, on_change
        group = MutuallyExclusiveCallbackGroup()
        for name, kind in _NAMES.items():
            node.create_service(
                Trigger, name, partial(self._on_service, name, kind), callback_group=group
            )
            node.create_subscription(
                Empty, name, partial(self._on_topic, name, kind), qos.STATUS, callback_group=group
            )
        node.create_service(Trigger, names.DRIVER_STOP_RESET, self._on_reset, callback_group=group)

    def _on_topic(self, name: str, kind: Stop, _: Empty, info: dict[str, Any]) -> None:
        gid = sender(info)
        self._stop.set(kind, f'topic {name}')
        problems = self._enforce()
        found = [each.node for each in publishers(self._node, name) if each.gid == gid]
        if problems:
            self._node.get_logger().error('; '.join(problems), throttle_duration_sec=1.0)
        # a flood of stops must not fill the log
        self._node.get_logger().info(
            f'{name} by {found[0] if found else "a publisher"}', throttle_duration_sec=1.0
        )

    def _on_service(
        self, name: str, kind: Stop, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        self._stop.set(kind, f'service {name}')
        problems = self._enforce()
        response.success = not problems
        response.message = self._stop.sentence
        if problems:
            response.message = (
                'the stop is kept, but it is not in force everywhere; cut the power of the arm: '
                + '; '.join(problems)
            )
        return response

    def _enforce(self) -> list[str]:
        problems = [line for arm in tuple(self._arms.values()) for line in arm.enforce_stop()]
        self._on_change()
        return problems

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._stop:
            response.success, response.message = True, 'no stop was in force'
            return response
        self._stop.clear()
        problems = [line for arm in tuple(self._arms.values()) for line in arm.end_stop()]
        self._on_change()
        self._node.get_logger().warning('the stop was ended by driver/stop_reset')
        response.success = True
        response.message = '; '.join(problems) or 'the stop is ended; take the command again'
        return response
