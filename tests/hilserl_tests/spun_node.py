"""A ROS node that is spun by a thread of its own, while a `with` block runs."""

from collections.abc import Iterator
from contextlib import contextmanager
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


@contextmanager
def spun_node(name: str, namespace: str | None = None) -> Iterator[Node]:
    """Make a node in a context of its own; its callbacks run until the block ends."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node(name, namespace=namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        ended.set()  # a context that is shut down while a thread spins in it is an error
        thread.join()
        rclpy.shutdown(context=context)
