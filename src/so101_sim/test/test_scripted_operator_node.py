"""The scripted operator node: its reaction to the driver's diagnostics."""

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import domain_coordinator
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from so101_node import names, qos
from so101_sim.scripted_operator_node import ScriptedOperatorNode

FAULT = 'overload of shoulder_lift; clear with follower/clear_faults'
LEADER_FAULT = 'overload of shoulder_pan; clear with leader/clear_faults'


@pytest.fixture(autouse=True)
def domain(monkeypatch):
    with domain_coordinator.domain_id() as number:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
        monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        rclpy.init()
        yield
        rclpy.shutdown()


@pytest.mark.parametrize(
    'name, level, message, clears',
    [
        ('driver: follower', DiagnosticStatus.ERROR, FAULT, 'follower'),
        ('driver: leader', DiagnosticStatus.ERROR, LEADER_FAULT, 'leader'),
        ('driver: follower', DiagnosticStatus.OK, 'following', ''),
        ('driver: follower', DiagnosticStatus.ERROR, 'reconnecting: no port', ''),
        ('other/driver: follower', DiagnosticStatus.ERROR, FAULT, ''),
    ],
)
def test_it_clears_faults_of_its_own_cell_only(name, level, message, clears):
    calls = []
    node, operator = rclpy.create_node('bench'), ScriptedOperatorNode()
    for arm in names.ARMS:
        node.create_service(
            Trigger,
            names.CLEAR_FAULTS.format(arm=arm),
            lambda _, response, arm=arm: calls.append(arm) or response,
        )
    diagnostics = node.create_publisher(DiagnosticArray, names.DIAGNOSTICS, qos.STATUS)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(operator)
    status = DiagnosticStatus(name=name, level=level, message=message)
    end = time.monotonic() + (10.0 if clears else 1.5)
    while not calls and time.monotonic() < end:
        diagnostics.publish(DiagnosticArray(status=[status]))
        executor.spin_once(timeout_sec=0.05)
    assert set(calls) == ({clears} if clears else set())
    executor.shutdown()
    operator.destroy_node()
    node.destroy_node()
