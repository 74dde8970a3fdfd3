"""The driver in its own process, and a node that watches and commands one arm."""

import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger

from so101_description.joints import JOINTS
from so101_interfaces.msg import ActorStatus, DriverStatus
from so101_interfaces.srv import TakeCommand
from so101_node import names, qos

START = 'from so101_driver.entry_points import driver; driver()'


def start(**parameters):
    arguments = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    return subprocess.Popen(
        [sys.executable, '-c', START, '--ros-args', *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Bench:
    """A node that watches and commands one arm."""

    def __init__(self, arm, name='bench'):
        self.node = rclpy.create_node(name)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.states, self.targets, self.diagnostics = [], [], []
        self.node.create_subscription(
            JointState, names.JOINT_STATES.format(arm=arm), self.states.append, qos.SENSOR_SUB
        )
        self.node.create_subscription(
            JointState, names.JOINT_TARGETS.format(arm=arm), self.targets.append, qos.COMMAND
        )
        self.node.create_subscription(
            DiagnosticArray, names.DIAGNOSTICS, self.diagnostics.append, qos.STATUS
        )
        self._commands = self.node.create_publisher(
            JointState, names.JOINT_COMMANDS.format(arm=arm), qos.COMMAND
        )
        self._torque = self.node.create_client(SetBool, names.SET_TORQUE.format(arm=arm))
        self._take = self.node.create_client(TakeCommand, names.TAKE_COMMAND)
        self.triggers = {
            name: self.node.create_client(Trigger, name)
            for name in (names.DRIVER_STOP, names.DRIVER_RELEASE, names.DRIVER_STOP_RESET)
        }
        self.statuses = []
        self.node.create_subscription(
            DriverStatus, names.DRIVER_STATUS, self.statuses.append, qos.STATUS
        )
        self._clear = self.node.create_client(Trigger, names.CLEAR_FAULTS.format(arm=arm))

    def spin_until(self, condition, timeout=20.0):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, 'did not happen in time'
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds):
        end = time.monotonic() + seconds
        self.spin_until(lambda: time.monotonic() > end)

    def torque(self, on):
        assert self._torque.wait_for_service(5.0)
        future = self._torque.call_async(SetBool.Request(data=on))
        self.spin_until(future.done)
        return future.result()

    def take_command(self, node='', run_id=''):
        assert self._take.wait_for_service(5.0)
        future = self._take.call_async(TakeCommand.Request(node=node, run_id=run_id))
        end = time.monotonic() + 1.0  # a killed driver seems to be there for some time
        self.spin_until(lambda: future.done() or time.monotonic() > end)
        return future.result() if future.done() else TakeCommand.Response()

    def trigger(self, name):
        assert self.triggers[name].wait_for_service(5.0)
        future = self.triggers[name].call_async(Trigger.Request())
        self.spin_until(future.done)
        return future.result()

    def clear_faults(self):
        assert self._clear.wait_for_service(5.0)
        future = self._clear.call_async(Trigger.Request())
        self.spin_until(future.done)
        return future.result()

    def command(self, position, joints=JOINTS):
        message = JointState(name=list(joints), position=[float(p) for p in position])
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._commands.publish(message)
        return message

    def status(self, mode, run_id):
        """Return an actor's status of this moment."""
        message = ActorStatus(mode=mode, run_id=run_id)
        message.header.stamp = self.node.get_clock().now().to_msg()
        return message

    @property
    def position(self):
        return np.array(self.states[-1].position)

    def destroy(self):
        self.executor.shutdown()
        self.node.destroy_node()
