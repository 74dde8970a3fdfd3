"""A ROS domain that no other test run uses."""

import os

import pytest


@pytest.fixture(scope='session')
def domain():
    import domain_coordinator

    with domain_coordinator.domain_id() as number:
        os.environ['ROS_DOMAIN_ID'] = str(number)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        yield number
