"""Fixtures of the tests that run the driver's process."""

from driver_support.driver_process import Bench
import pytest
import rclpy


@pytest.fixture(scope='module')
def ros(domain):
    """Rclpy in a separate ROS domain."""
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def bench(ros):
    bench = Bench('follower')
    yield bench
    bench.destroy()
