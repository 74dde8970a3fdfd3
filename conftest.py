"""What the tests of every package share: a ROS domain of their own, and the mark of the graph."""

import os

import pytest

os.environ.setdefault('MUJOCO_GL', 'egl')  # rendering without a screen


@pytest.fixture(scope='session')
def domain():
    """A ROS domain that no other test run uses."""
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
