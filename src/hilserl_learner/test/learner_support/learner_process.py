"""The learner as a process, and the topics and services of an actor that it talks to."""

import os
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from domain_coordinator import domain_id
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from so101_interfaces.msg import LearnerStatus, Recorded, Step, Task, Weights
from so101_node import names, qos

ARGUMENTS = ('batch_size:=8', 'min_steps:=10', 'publish_period:=1.0', 'memory_gb:=0.02')


@pytest.fixture(scope='module')
def environment():
    with domain_id() as domain:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        rclpy.init()
        # The DDS participant lives as long as a node: Fast DDS can crash where it is destroyed
        # while other processes leave.
        keeper = rclpy.create_node('keeper')
        yield dict(os.environ)
        rclpy.shutdown()
        keeper.destroy_node()


class Actor:
    """The topics and services of an actor."""

    def __init__(self, namespace=None):
        self.node = rclpy.create_node('test_actor', namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.weights, self.statuses, self.diagnostics, self.recorded = [], [], [], []
        self.node.create_subscription(Recorded, names.RECORDED, self.recorded.append, qos.LATCHED)
        self.node.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self.diagnostics.append, qos.STATUS
        )
        self.steps = self.node.create_publisher(Step, names.STEP, qos.STEPS)
        self.task = self.node.create_publisher(Task, names.TASK, qos.LATCHED)
        self.node.create_subscription(Weights, names.WEIGHTS, self.weights.append, qos.LATCHED)
        self.node.create_subscription(
            LearnerStatus, names.LEARNER_STATUS, self.statuses.append, qos.STATUS
        )

    def wait(self, condition, seconds=60.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.statuses[-1:]
            self.executor.spin_once(timeout_sec=0.05)

    def on_disk(self):
        """Return the last index of each episode that the learner has on disk, as it says."""
        last = self.recorded[-1]
        return dict(zip(last.episode_id, last.index))

    def call(self, service, name, request):
        client = self.node.create_client(service, name)
        assert client.wait_for_service(10.0)
        future = client.call_async(request)
        self.wait(future.done)
        return future.result()

    def diagnostic(self, name, key):
        """Return the last status of this name if it has the key, else None."""
        found = [s for array in self.diagnostics for s in array.status if s.name == name][-1:]
        return found[0] if found and key in {pair.key for pair in found[0].values} else None

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def actor(environment):
    actor = Actor()
    yield actor
    actor.close()


def start(environment, run, *arguments):
    command = [
        sys.executable,
        '-c',
        'from hilserl_learner.entry_points import learner; learner()',
        '--ros-args',
    ]
    for argument in (f'run_dir:={run}', *ARGUMENTS, *arguments):
        command += ['-p', argument]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(process, number=signal.SIGINT):
    begin = time.monotonic()
    process.send_signal(number)
    output = process.communicate(timeout=20)[0]
    return output, process.returncode, time.monotonic() - begin
