"""A fake cell around an actor node, over real rclpy: arms, camera, reward, learner, FK service.

Each part can be stopped or slowed. It keeps the actor's status, steps and commands.
"""

from array import array
from contextlib import contextmanager
from functools import cache
import hashlib
import os
import subprocess
import sys
import threading
import time

import cv2
from domain_coordinator import domain_id
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_srvs.srv import SetBool, Trigger
import torch

from actor_support.simulated_bench import SCHEMA
from hilserl_core.policy.bundle import pack as pack_policy
from hilserl_core.policy.networks import Actor, Encoder, NetworkConfig
from so101_description.joints import JOINTS, REST, pack
from so101_description.kinematics_node import KinematicsNode
from so101_interfaces.msg import ActorStatus, DriverStatus, JointRange, Reward, Step, Weights
from so101_interfaces.srv import LabelEpisode, TakeCommand
from so101_node import names, qos

NODES = {
    'actor': ('hilserl_actor.actor_node', 'ActorNode'),
    'kinematics': ('so101_description.kinematics_node', 'KinematicsNode'),
}
SPEED = 2.0  # rad/s, of the arms


@cache
def bundle(version: int) -> bytes:
    """A policy bundle; tests build it before the cell starts, because it takes all of the CPU."""
    torch.manual_seed(version)
    network = NetworkConfig()
    encoder = Encoder(SCHEMA, network)
    actor = Actor(encoder.size, SCHEMA, network)
    return pack_policy(SCHEMA, network, encoder, actor, version, 0, 0)


class SlowableKinematics(KinematicsNode):
    """The FK service; the next `late` answers take `delay` s longer."""

    delay, late = 0.0, 0

    def _answering(self, answer):
        call = KinematicsNode._answering(answer)

        def delayed(request, response):
            if self.late:
                self.late -= 1
                time.sleep(self.delay)
            return call(request, response)

        return delayed


class FakeCell:
    """Everything but actor and FK service; times in s of the monotonic clock."""

    def __init__(self, namespace=''):
        self.namespace = namespace
        self.reward_run = ''  # of the run whose rewards it sends
        self.judgement = {}  # further fields of its rewards
        self.labels: list[tuple[str, str]] = []  # asked of the learner: episode and outcome
        self.camera_on = self.joint_states_on = self.reward_on = (
            True  # camera, joint states, reward
        )
        self.accepts_commands = True  # commands
        self.stop, self.commander = DriverStatus.RUNNING, ('', '')
        self.allowed = JointRange()  # by the driver, of the follower
        self.camera_frozen = self.joints_frozen = False  # same values, fresh stamps
        self.stamp_offset = 0.0  # s, of the images
        self.status: list[ActorStatus] = []
        self.steps: list[Step] = []
        self.commands: list[tuple[float, np.ndarray]] = []  # to the follower: (when, rad)
        self.torque: list[tuple[str, bool]] = []  # requests, in order
        self._target = {arm: REST.copy() for arm in names.ARMS}
        self._position = {arm: REST.copy() for arm in names.ARMS}
        self._shown = {arm: REST.copy() for arm in names.ARMS}
        options = ['--ros-args'] + (['-r', f'__ns:=/{namespace}'] if namespace else [])
        context = rclpy.Context()
        rclpy.init(args=options, context=context)
        self.node = rclpy.create_node('fake_cell', context=context)
        self._publish_to()
        self._subscribe()
        self.node.create_timer(0.01, self._move)
        self.node.create_timer(0.1, self._publish_driver_status)
        self.node.create_timer(1.0 / 30.0, self._publish_image)

    # -- messages ------------------------------------------------------------------------------
    def _publish_to(self):
        node = self.node
        self._states = {
            arm: node.create_publisher(
                JointState, names.JOINT_STATES.format(arm=arm), qos.SENSOR_PUB
            )
            for arm in names.ARMS
        }
        self._targets = {
            arm: node.create_publisher(
                JointState, names.JOINT_TARGETS.format(arm=arm), qos.COMMAND
            )
            for arm in names.ARMS
        }
        self._images = node.create_publisher(
            Image, names.IMAGE.format(camera=names.WRIST_CAMERA), qos.SENSOR_PUB
        )
        self.compressed = ''  # ending of the images that it sends compressed: .jpg or .png
        self.cut = 0  # bytes that a compressed image lacks at its end
        self._compressed = node.create_publisher(
            CompressedImage,
            names.COMPRESSED_IMAGE.format(camera=names.WRIST_CAMERA),
            qos.SENSOR_PUB,
        )
        self._driver = node.create_publisher(DriverStatus, names.DRIVER_STATUS, qos.STATUS)
        self._reward = node.create_publisher(Reward, names.REWARD, qos.SENSOR_PUB)
        self._weights = node.create_publisher(Weights, names.WEIGHTS, qos.LATCHED)
        pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
        self._image = Image(
            width=160, height=120, encoding='rgb8', step=480, data=pixels.tobytes()
        )

    def _subscribe(self):
        node = self.node
        node.create_subscription(ActorStatus, names.ACTOR_STATUS, self.status.append, qos.STATUS)
        node.create_subscription(Step, names.STEP, self.steps.append, qos.STEPS)
        for arm in names.ARMS:
            node.create_subscription(
                JointState,
                names.JOINT_COMMANDS.format(arm=arm),
                lambda m, arm=arm: self._command(arm, m),
                qos.COMMAND,
            )
            node.create_service(
                SetBool,
                names.SET_TORQUE.format(arm=arm),
                lambda q, r, arm=arm: self._set_torque(arm, q, r),
            )
        node.create_service(TakeCommand, names.TAKE_COMMAND, self._take_command)
        node.create_service(Trigger, names.DRIVER_STOP, self._stop)
        node.create_service(Trigger, names.DRIVER_STOP_RESET, self._stop_reset)
        self._keys = {
            name: node.create_client(Trigger, name)
            for name in (
                names.START,
                names.ESTOP,
                names.ESTOP_RESET,
                names.DRIVER_STOP_RESET,
                names.SUCCESS,
                names.FAILURE,
            )
        }
        node.create_service(LabelEpisode, names.LEARNER_LABEL, self._label)

    def _label(self, request, response):
        self.labels.append((request.episode_id, request.outcome))
        response.success = True
        return response

    def _take_command(self, request, response):
        self.commander = request.node, request.run_id
        response.success = True
        return response

    def _stop(self, _, response):
        self.stop = DriverStatus.HOLD
        response.success = True
        return response

    def _stop_reset(self, _, response):
        self.stop = DriverStatus.RUNNING
        response.success = True
        return response

    def _publish_driver_status(self):
        node, run_id = self.commander
        self._driver.publish(
            self._stamped(
                DriverStatus(
                    session='fake',
                    stop=self.stop,
                    stop_cause='test',
                    commander=node,
                    run_id=run_id,
                    follower_range=self.allowed,
                )
            )
        )

    def _command(self, arm, message):
        if not self.accepts_commands:
            return
        self._target[arm] = pack(message.name, message.position)
        self._targets[arm].publish(message)
        if arm == 'follower':
            self.commands.append((time.monotonic(), self._target[arm]))

    def _set_torque(self, arm, request, response):
        self.torque.append((arm, request.data))
        response.success = True
        return response

    def _stamped(self, message):
        message.header.stamp = self.node.get_clock().now().to_msg()
        return message

    def _move(self):
        for arm, position in self._position.items():
            position += np.clip(self._target[arm] - position, -SPEED * 0.01, SPEED * 0.01)
            if not self.joints_frozen:
                self._shown[arm] = position.copy()
            if self.joint_states_on:
                self._states[arm].publish(
                    self._stamped(
                        JointState(name=list(JOINTS), position=self._shown[arm].tolist())
                    )
                )

    def _publish_image(self):
        if self.camera_on:
            if not self.camera_frozen:
                self._image.data[0] = (self._image.data[0] + 1) % 256
            image = self._stamped(self._image)
            image.header.stamp.sec += round(self.stamp_offset)
            if self.compressed:
                self._compressed.publish(self._encoded(image))
            else:
                self._images.publish(image)
        if self.reward_on:
            reward = Reward(value=0.25, run_id=self.reward_run, **self.judgement)
            self._reward.publish(self._stamped(reward))

    def _encoded(self, image):
        """Return the image as compressed_image_transport sends it."""
        pixels = np.frombuffer(image.data, np.uint8).reshape(120, 160, 3)
        data = cv2.imencode(self.compressed, pixels[:, :, ::-1])[1].tobytes()
        kind = {'.jpg': 'jpeg', '.png': 'png'}[self.compressed]
        return CompressedImage(
            header=image.header,
            format=f'rgb8; {kind} compressed bgr8',
            data=data[: len(data) - self.cut],
        )

    def publish_policy(self, version: int) -> str:
        """Publish weights as a learner does; returns their hash."""
        data = bundle(version)
        sha256 = hashlib.sha256(data).hexdigest()
        self._weights.publish(self._stamped(Weights(version=version, data=array('B', data))))
        return sha256

    # -- for tests -----------------------------------------------------------------------------
    def press(self, name: str):
        """Press a key; return the answer of its service."""
        future = self._keys[name].call_async(Trigger.Request())
        wait_for(future.done, name)
        return future.result()

    def wait_for_mode(self, mode: str, timeout=20.0):
        """Wait until the next status with this mode."""
        wait_for(lambda: self.status and self.status[-1].mode == mode, mode, timeout)

    def reported(self, words: str) -> bool:
        """Return whether the message of a status contained these words."""
        return any(words in status.message for status in list(self.status))


def wait_for(condition, what: str, timeout=10.0):
    """Wait for `condition`; fail after the timeout."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f'not within {timeout} s: {what}'
        time.sleep(0.005)


@contextmanager
def own_domain():
    """Reserve a ROS domain for this test."""
    with domain_id() as number:
        before = dict(os.environ)
        os.environ.update(ROS_DOMAIN_ID=str(number), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')
        yield
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def spinning(node):
    """Spin a node in a thread of its own, then end its context."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def spin():
        try:
            while node.context.ok():
                executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            pass  # the block ended

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield node
    finally:
        rclpy.shutdown(context=node.context)
        thread.join()


@contextmanager
def running(node: str, namespace='', **parameters):
    """Run one of NODES as a process."""
    module, name = NODES[node]
    words = [
        sys.executable,
        '-c',
        'import os\n'  # the node must not inherit this test's priority
        'os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))\n'
        f'from {module} import {name}\n'
        f'from so101_node.ros_node import run\nrun({name})',
        '--ros-args',
    ]
    if namespace:
        words += ['-r', f'__ns:=/{namespace}']
    for key, value in parameters.items():
        words += ['-p', f'{key}:={value}']
    process = subprocess.Popen(words)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(10.0) == 0
