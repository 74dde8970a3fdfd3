"""A node that sends to every topic and service of a cell whatever their definitions allow.

It finds them in the ROS graph. Beside valid messages it publishes bytes that are no message.
"""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import random
import threading
import time
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rclpy._rclpy_pybind11 import RCLError
from rclpy.client import Client
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.serialization import serialize_message

from .message_strategies import messages, type_of
from .spun_node import spun_node

ANSWER_TIME = 1.0  # s
DISCOVERY_TIME = 20.0  # s


@dataclass(frozen=True)
class Target:
    """A topic or a service of a node, and the strategy for what is sent there."""

    name: str
    strategy: st.SearchStrategy[Any]
    send: Callable[[Any], object]


class Stranger:
    """The node, while the `with` block runs."""

    def __enter__(self) -> 'Stranger':
        self._spun = spun_node('stranger', namespace='/x')
        self.node = self._spun.__enter__()
        self._random = random.Random(1)
        self._made: dict[tuple[str, str], Target] = {}
        return self

    def __exit__(self, *error: Any) -> None:
        self._spun.__exit__(*error)

    def targets(self, nodes: list[str]) -> list[Target]:
        """Return the topics that these nodes subscribe to, and their services."""
        for name in nodes:
            self._wait_for(name)
            for topic, kinds in self.node.get_subscriber_names_and_types_by_node(name, '/'):
                self._made.setdefault(('topic', topic), self._topic(topic, type_of(kinds[0])))
            for service, kinds in self.node.get_service_names_and_types_by_node(name, '/'):
                if ('service', service) not in self._made:
                    self._made['service', service] = self._service(service, type_of(kinds[0]))
        return list(self._made.values())

    def _wait_for(self, name: str) -> None:
        end = time.monotonic() + DISCOVERY_TIME
        while (name, '/') not in self.node.get_node_names_and_namespaces():
            assert time.monotonic() < end, f'{name} was not found'
            time.sleep(0.1)

    def _topic(self, topic: str, kind: type[Any]) -> Target:
        known = self.node.get_subscriptions_info_by_topic(topic)[0].qos_profile
        # of the graph: without history and depth
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=5,
            reliability=known.reliability,
            durability=known.durability,
        )
        publisher = self.node.create_publisher(kind, topic, profile)

        def send(message: Any) -> None:
            with contextlib.suppress(RCLError):  # the queue of a slow reader is full
                publisher.publish(message)
            whole = bytearray(serialize_message(message))
            cut = bytes(whole[: self._random.randrange(4, len(whole) + 1)])
            for _ in range(3):
                whole[self._random.randrange(4, max(len(whole), 5)) % len(whole)] ^= 0xFF
            for data in (cut, bytes(whole), b'\0\1\0\0' + b'\xff' * self._random.randrange(40)):
                with contextlib.suppress(RCLError):
                    publisher.publish(data)

        return Target(topic, messages(kind), send)

    def _service(self, service: str, kind: type[Any]) -> Target:
        client: Client[Any, Any] = self.node.create_client(kind, service)

        def send(request: Any) -> None:
            done = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: done.set())
            if not done.wait(ANSWER_TIME):
                client.remove_pending_request(future)

        return Target(service, messages(kind.Request), send)

    def attack(self, target: Target, examples: int) -> None:
        """Send that many messages or requests."""

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(target.strategy)
        def run(message: Any) -> None:
            target.send(message)

        run()
