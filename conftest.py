"""What the tests of every package share: a ROS domain of their own, and the mark of the graph."""

import os
import sys
import time

from hypothesis import settings
import pytest

os.environ.setdefault('MUJOCO_GL', 'egl')  # rendering without a screen
# Tests at idle priority beside whole cells may take long for one example.
settings.register_profile('cell', deadline=None)
settings.load_profile('cell')


USUAL = 0.002  # s for a loop of 100,000, on the computers that the limits of tests are made for
ROS = ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE')


@pytest.fixture(scope='module', autouse=True)
def ros_as_before():
    """End what a module's tests leave of ROS, so that those of the next one can start it."""
    before = {name: os.environ.get(name) for name in ROS}
    yield
    if 'rclpy' in sys.modules:
        sys.modules['rclpy'].try_shutdown()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope='module')
def domain(ros_as_before):
    """A ROS domain that no other test run uses, while the module's tests run."""
    import domain_coordinator

    with domain_coordinator.domain_id() as number:
        os.environ['ROS_DOMAIN_ID'] = str(number)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        yield number


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    """Mark what talks over ROS; modules that open a domain by themselves carry the mark."""
    for item in items:
        if 'domain' in item.fixturenames:
            item.add_marker(pytest.mark.graph)


@pytest.fixture
def slowness():
    """Return a function: how many times as long as usual Python takes here now, 1 to 5."""

    def measured():
        times = []
        for _ in range(9):
            began = time.thread_time()
            for _ in range(100_000):
                pass
            times.append(time.thread_time() - began)
        return min(max(sorted(times)[4] / USUAL, 1.0), 5.0)

    return measured
