"""What strangers send to a node's topics and services does not end the node."""

from pathlib import Path
import subprocess
import sys
import time

import pytest
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from so101_node import qos

TINY = [sys.executable, str(Path(__file__).with_name('tiny_node.py'))]

pytestmark = pytest.mark.usefixtures('domain')


@pytest.fixture
def tiny(domain):
    """The node's process, and a stranger."""
    process = subprocess.Popen(
        TINY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    context = rclpy.Context()
    rclpy.init(context=context)
    stranger = rclpy.create_node('stranger', namespace='/elsewhere', context=context)
    yield process, stranger
    rclpy.shutdown(context=context)
    process.kill()


def ended(process):
    process.terminate()
    output = process.communicate(timeout=15)[0]
    return process.returncode, output


@pytest.mark.parametrize(
    'sent',
    [
        JointState(name=['x' * 10_000_000]),
        JointState(),  # its callback has a mistake for an empty message
        b'',
        b'\x00',
        b'\x00\x01\x00\x00',
        b'\x00\x01\x00\x00' + b'\xff' * 64,
        b'\xff' * 64,
    ],
)
def test_no_message_ends_a_node(tiny, sent):
    process, stranger = tiny
    publisher = connected_to(stranger)
    time.sleep(0.5)  # until its name is known
    began = time.monotonic()
    for _ in range(20):
        publisher.publish(sent)
        time.sleep(0.01)
    time.sleep(1.0)  # a newer message replaces one of 10 MB that is still on its way
    # A writer that sent no bytes at all sends nothing more, so another one has to ask.
    connected_to(stranger).publish(JointState(position=[2.5]))
    lines = []
    for line in process.stdout:
        lines.append(line)
        if 'joints 2.5' in line:
            break
    took = time.monotonic() - began
    code, rest = ended(process)
    assert code == 0, ''.join(lines) + rest
    assert max(map(len, lines)) < 500
    if isinstance(sent, JointState):
        refused = [line for line in lines if 'refused' in line]
        assert 1 <= len(refused) <= 2 + took, refused  # one a second
        assert '/elsewhere/stranger on this host' in refused[0]


def connected_to(stranger):
    publisher = stranger.create_publisher(JointState, '/joints', qos.STATUS)
    end = time.monotonic() + 10.0
    while not publisher.get_subscription_count():
        assert time.monotonic() < end
        time.sleep(0.01)
    return publisher


def test_a_request_that_fails_is_answered_and_the_node_goes_on(tiny):
    process, stranger = tiny
    client = stranger.create_client(SetBool, '/switch')
    assert client.wait_for_service(10.0)
    executor = rclpy.executors.SingleThreadedExecutor(context=stranger.context)
    executor.add_node(stranger)
    answers = []
    for data in (True, False):
        future = client.call_async(SetBool.Request(data=data))
        executor.spin_until_future_complete(future, timeout_sec=10.0)
        answers.append(future.result())
    assert not answers[0].success and 'ValueError in _fail' in answers[0].message
    assert answers[1].success
    code, output = ended(process)
    assert code == 0 and 'request of switch refused' in output


def test_no_parameter_changes_while_a_node_runs(tiny):
    """use_sim_time would let whoever publishes /clock decide how old a command is."""
    process, stranger = tiny
    client = stranger.create_client(SetParameters, '/tiny/set_parameters')
    assert client.wait_for_service(10.0)
    executor = rclpy.executors.SingleThreadedExecutor(context=stranger.context)
    executor.add_node(stranger)
    values = {'use_sim_time': True, 'rate': 5.0, 'new': 1}
    request = SetParameters.Request(
        parameters=[
            Parameter(name, value=each).to_parameter_msg() for name, each in values.items()
        ]
    )
    future = client.call_async(request)
    executor.spin_until_future_complete(future, timeout_sec=10.0)
    assert [result.successful for result in future.result().results] == [False] * 3
    assert 'use_sim_time' in future.result().results[0].reason
    assert ended(process)[0] == 0
