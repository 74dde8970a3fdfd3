"""Callbacks in several threads, while these threads have no processor time."""

import time

import pytest
import rclpy
from std_msgs.msg import Empty

from so101_node.callback_threads import CallbackThreads

BUSY = 1.0  # s for which the threads begin no callback


@pytest.fixture
def node(domain):
    rclpy.init()
    node = rclpy.create_node('threads')
    yield node
    node.destroy_node()
    rclpy.shutdown()


def spun(executor, node):
    """Spin while the threads are busy; return calls of the callback and used processor time, s."""
    calls = []
    node.create_subscription(Empty, 'topic', calls.append, 10)
    publisher = node.create_publisher(Empty, 'topic', 10)
    executor.add_node(node)
    end = time.monotonic() + 10.0
    while not calls:  # discovery
        assert time.monotonic() < end
        publisher.publish(Empty())
        executor.spin_once(timeout_sec=0.1)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    calls.clear()
    for _ in range(2):
        executor._executor.submit(time.sleep, BUSY)
    publisher.publish(Empty())
    before, end = time.thread_time(), time.monotonic() + BUSY
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    used = time.thread_time() - before
    end = time.monotonic() + 10.0
    while not calls:
        assert time.monotonic() < end
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    return len(calls), used


def test_a_callback_that_waits_for_a_thread_is_submitted_once_and_costs_no_time(node):
    """With rclpy's MultiThreadedExecutor the loop takes a whole core in this test."""
    calls, used = spun(CallbackThreads(2), node)
    assert calls == 1
    assert used < 0.3 * BUSY
