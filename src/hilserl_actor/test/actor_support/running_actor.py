"""A fake cell with a running actor, and fixtures of it."""

from contextlib import contextmanager

import pytest
import rclpy

from actor_support.fake_cell import (
    FakeCell,
    SlowableKinematics,
    bundle,
    own_domain,
    running,
    spinning,
    wait_for,
)
from so101_interfaces.msg import JointRange
from so101_node.ros_node import not_urgent, urgent

READY_TIME = 0.5


@contextmanager
def cell_with_actor(namespace='', **parameters):
    cell = FakeCell(namespace)
    with (
        spinning(cell.node),
        running(
            'actor', namespace, auto_start='true', sigma='0.3', ready_time=READY_TIME, **parameters
        ),
    ):
        cell.sha256 = cell.publish_policy(1)
        yield cell


@pytest.fixture(scope='module')
def bench():
    """A fake cell with a running actor and FK service."""
    bundle(1), bundle(2)
    urgent()  # arms and cameras do not wait for other processes
    with own_domain():
        rclpy.init()
        kinematics = SlowableKinematics()
        with spinning(kinematics), cell_with_actor() as cell:
            cell.kinematics = kinematics
            yield cell
    not_urgent()


@pytest.fixture
def cell(bench):
    """The cell some steps after an episode has begun by itself."""
    bench.kinematics.late = 0
    bench.camera_on = bench.joint_states_on = bench.reward_on = True
    bench.camera_frozen = bench.joints_frozen = False
    bench.judgement = {}
    bench.allowed = JointRange()
    bench.wait_for_mode('POLICY')
    wait_for(
        lambda: (
            bench.steps
            and 5 < bench.steps[-1].index < 60
            and episode(bench) == bench.status[-1].episode_id
        ),
        'some steps',
        30.0,
    )
    bench.status.clear()
    del bench.steps[:-1]
    return bench


def episode(cell) -> str:
    return cell.steps[-1].episode_id


def commands_since(cell, since: float):
    return [at for at, _ in cell.commands if at > since]


def resumes_by_itself(cell):
    cell.wait_for_mode('READY')
    cell.wait_for_mode('POLICY')
