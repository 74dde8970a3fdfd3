"""The learner's weights on their way to the loop.

Loading them takes its time in a thread of its own, which begins when the loop has just acted: it
has Python's lock for some ms. The loop takes a policy between two ticks.
"""

import threading

import torch

from hilserl_core.policy.bundle import Policy
from so101_interfaces.msg import Weights
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.stamps import to_ns


class PolicyIntake:
    """Offers each published policy to the loop of `node`, the latest if they come too fast."""

    def __init__(self, node):
        self._node, self._loop, self._schema = node, node.loop, node.schema
        self._since = node.get_clock().now().nanoseconds  # what is latched may be older
        self._message: Weights | None = None
        self._arrived = threading.Event()
        self.acted = threading.Event()  # the loop's next tick is as far away as can be
        node.create_subscription(Weights, names.WEIGHTS, self._on_weights, qos.LATCHED)
        node.guard(self._load)

    def _on_weights(self, message: Weights) -> None:
        self._message = message
        self._arrived.set()

    def _load(self) -> None:
        # As urgent as the loop: a thread that waits for a core keeps Python's lock meanwhile.
        torch.set_num_threads(1)
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self.acted.clear()
            self.acted.wait()
            message, driving = self._message, self._loop.policy
            try:
                policy = Policy.from_bytes(
                    bytes(message.data), self._schema.hash, driving.version if driving else -1
                )
            except CellError as error:
                self._node.get_logger().error(
                    f'weights version {message.version} refused: {error}'
                )
                continue
            published = to_ns(message.header.stamp)
            self._loop.offer(
                policy, published if published > self._since else 0, message.env_steps
            )
