"""Kills actor, FK service, camera and driver (-9) at random moments and checks the arm.

The emulated servos and the learner's part run in this process. Each node is killed twice;
HILSERL_KILLS sets another number (20: the whole matrix, six minutes). docs/architecture.md shows
the asserted behaviour as a table.
"""

from array import array
import os
import random
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import rclpy
import torch

from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.bundle import pack as pack_policy
from hilserl_core.policy.networks import Actor, Encoder, NetworkConfig
from hilserl_tests.bench_follower import BenchFollower
from hilserl_tests.cell_process import own_domain
from hilserl_tests.handover import seconds
from hilserl_tests.watcher import Watcher
from so101_description.joints import REST, pack
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash
from so101_interfaces.msg import Weights
from so101_node import names, qos
from so101_node.ros_node import not_urgent, urgent
from so101_sim import calibration_path

pytestmark = pytest.mark.graph

KILLS = int(os.environ.get('HILSERL_KILLS', '2'))
SCHEMA = make_task('grasp_lift', model_hash())
NODES = {
    'actor': 'hilserl_actor.actor_node ActorNode',
    'kinematics': 'so101_description.kinematics_node KinematicsNode',
    'camera': 'so101_driver.camera_node CameraNode',
    'driver': 'so101_driver.driver_node DriverNode',
}
MAX_SPEED = 2.0  # rad/s, the driver's limit
SOFT_SPEED = 0.3  # rad/s, at which the driver eases to the measured pose
TICK = 0.0016  # rad, of a servo
# s from the death of each node until only that easing moves the arm: the actor's detection (age of
# image or joint state, late answer, tick) and the driver's 0.25 s
HOLDS = {'actor': 0.35, 'kinematics': 0.5, 'camera': 0.65, 'driver': 0.05}
TAKEN = 0.25  # s within which a running driver accepts or refuses a command
SLACK = 0.15  # s, for a busy machine


class Bench:
    """The four processes; `killed`: (name, killed at, started again at)."""

    def __init__(self, directory):
        video = str(directory / 'grey.avi')
        writer = cv2.VideoWriter(video, cv2.VideoWriter_fourcc(*'MJPG'), 30, (160, 120))
        for level in range(90, 150, 2):
            writer.write(np.full((120, 160, 3), level, np.uint8))
        writer.release()
        self.parameters = {
            'actor': {
                'has_leader': 'false',
                'auto_start': 'true',
                'ready_time': 0.3,
                'reward': 'operator',
                'sigma': '0.3',
            },
            'kinematics': {},
            'camera': {'camera_device': video, 'camera_width': 160, 'camera_height': 120},
            'driver': {
                'follower_port': directory / 'follower',
                'answer_timeout': 0.01,
                'follower_calibration': calibration_path('follower'),
            },
        }
        self.processes: dict[str, subprocess.Popen] = {}
        self.killed: list[tuple[str, float, float]] = []
        self.log = directory / 'log.txt'
        self._log = open(self.log, 'w', encoding='utf-8')  # noqa: SIM115  closed by close()

        self._spares = {name: self._prepare(name) for name in NODES}

    def _prepare(self, name: str) -> subprocess.Popen:
        """Start a process that imports everything and then waits for a line on stdin."""
        module, node = NODES[name].split()
        words = [
            sys.executable,
            '-c',
            'import os, sys\n'  # the node must not inherit this test's priority
            'os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))\n'
            f'from {module} import {node}\n'
            'from so101_node.ros_node import run\n'
            f'sys.stdin.readline() and run({node})',
            '--ros-args',
        ]
        for parameter, value in self.parameters[name].items():
            words += ['-p', f'{parameter}:={value}']
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log)

    def start(self, name: str):
        self.processes[name], self._spares[name] = self._spares[name], self._prepare(name)
        self.processes[name].stdin.write(b'go\n')
        self.processes[name].stdin.close()

    def kill(self, name: str, pause: float):
        """Kill a node (-9) and start it again after `pause` s."""
        self.processes[name].kill()
        at = time.monotonic()
        self.processes[name].wait()
        time.sleep(pause)
        self.killed.append((name, at, time.monotonic()))
        self.start(name)

    def end(self):
        for spare in self._spares.values():
            spare.kill()
            spare.wait()
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        codes = {name: process.wait(10.0) for name, process in self.processes.items()}
        self._log.close()
        print(self.log.read_text(encoding='utf-8'))
        assert codes == dict.fromkeys(NODES, 0)


def wait(heard, condition, what, timeout=40.0):
    end = time.monotonic() + timeout
    while not condition():
        last = heard.actor[-1].message if heard.actor else 'none'
        assert time.monotonic() < end, f'not within {timeout} s: {what}; last message: {last}'
        time.sleep(0.01)


def publish_policy(node):
    """Publish weights as the learner does; return the publisher, which keeps them latched."""
    network = NetworkConfig()
    torch.manual_seed(0)
    encoder = Encoder(SCHEMA, network)
    data = pack_policy(SCHEMA, network, encoder, Actor(encoder.size, SCHEMA, network), 1, 0, 0)
    publisher = node.create_publisher(Weights, names.WEIGHTS, qos.LATCHED)
    publisher.publish(Weights(version=1, data=array('B', data)))
    return publisher


@pytest.fixture(scope='module')
def matrix(tmp_path_factory):
    """Kill each node KILLS times in random order; yields bench, watcher and the servos' log."""
    chance = random.Random(5)
    directory = tmp_path_factory.mktemp('bench')
    # With Fast DDS's shared memory, a process may receive nothing after tens of killed ones.
    os.environ['FASTDDS_BUILTIN_TRANSPORTS'] = 'UDPv4'
    urgent()  # so that the servos answer in time
    with own_domain(), Watcher() as heard, BenchFollower(directory / 'follower', REST) as arm:
        bench = Bench(directory)
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('learner', context=context)
        latched = publish_policy(node)
        for name in NODES:
            bench.start(name)
        acting = 0

        def acts_again():
            return len(heard.commands) > acting + 3

        def in_episode():
            return acts_again() and heard.actor[-1].mode == 'POLICY' and heard.actor[-1].step > 2

        try:
            for name in chance.sample(sorted(NODES) * KILLS, 4 * KILLS):
                wait(heard, acts_again, f'the arm moves again, before {name} is killed')
                if chance.random() < 0.5:
                    wait(heard, in_episode, f'an episode, before {name} is killed')
                time.sleep(chance.uniform(0.0, 0.7))
                bench.kill(name, chance.uniform(HOLDS[name] + SLACK, HOLDS[name] + SLACK + 0.2))
                acting = len(heard.commands)
            since = time.monotonic()
            wait(
                heard,
                lambda: in_episode() and time.monotonic() > since + 1.0,
                'an episode after the last kill',
            )
            rows = np.array(arm.log)
        finally:
            bench.end()
            node.destroy_publisher(latched)
            rclpy.shutdown(context=context)
    not_urgent()
    del os.environ['FASTDDS_BUILTIN_TRANSPORTS']
    return bench, heard, rows


def within(rows, since, until):
    return rows[(rows[:, 0] >= since) & (rows[:, 0] <= until)]


def test_each_node_was_killed_and_the_cell_resumed_by_itself(matrix):
    names_killed = [name for name, _, _ in matrix[0].killed]
    assert {name: names_killed.count(name) for name in NODES} == dict.fromkeys(NODES, KILLS)


def test_no_servo_loses_torque_or_moves_faster_than_the_limit(matrix):
    rows = matrix[2]
    on = np.flatnonzero(rows[:, 13:].all(1))
    assert rows[on[0] :, 13:].all(), 'a servo lost its torque'
    rows = rows[on[0] :]
    # over 50 ms, because setpoints arrive about every 10 ms
    later = np.searchsorted(rows[:, 0], rows[:, 0] + 0.05)
    later = later[later < len(rows)]
    span = (rows[later, 0] - rows[: len(later), 0])[:, None]
    goals = np.abs(rows[later, 1:7] - rows[: len(later), 1:7])
    over = goals - MAX_SPEED * (span + 0.02) - TICK
    assert over.max() <= 0.0, f'{over.max()} rad at {rows[over.max(1).argmax(), 0]}'


@pytest.mark.parametrize('part', NODES)
def test_the_arm_holds_while_a_node_is_dead(matrix, part):
    bench, _, rows = matrix
    speed = 0.0 if part == 'driver' else SOFT_SPEED
    for name, at, again in bench.killed:
        if name == part:
            found = within(rows, at + HOLDS[part] + SLACK * (part != 'driver'), again)
            moved = np.abs(found[-1, 1:7] - found[0, 1:7]).max()
            assert moved <= speed * (found[-1, 0] - found[0, 0]) + 2 * TICK, (name, at, moved)


def test_no_setpoint_jumps_after_a_restart(matrix):
    """Compares successive setpoints around each restart."""
    bench, _, rows = matrix
    for name, _, again in bench.killed:
        found = within(rows, again - 0.2, again + 3.0)
        steps = np.abs(np.diff(found[:, 1:7], axis=0)).max()
        assert steps < np.deg2rad(4), (name, steps)


def test_every_recorded_action_was_executed(matrix):
    bench, heard, rows = matrix
    kinematics = Kinematics()
    commands = [pack(c.name, c.position) for c in heard.commands]
    times = np.array([seconds(c.header.stamp) for c in heard.commands])
    clock = time.time() - time.monotonic()
    goals_changed = rows[1:, 0][np.abs(np.diff(rows[:, 1:7], axis=0)).max(1) > 0] + clock
    until = rows[-1, 0] + clock - 0.2
    steps = [s for s in heard.steps if not s.last and seconds(s.header.stamp) < until]
    assert len(steps) > 5 * KILLS
    off = []
    for step in steps:
        since = seconds(step.header.stamp)
        at = int(np.searchsorted(times, since))
        near = [
            (name, round(at + clock - since, 2))
            for name, at, _ in bench.killed
            if abs(at + clock - since) < 3.0
        ]
        assert times[at] - since < 0.1, f'step {step.index} has no command; kills: {near}'
        after = np.searchsorted(goals_changed, times[at])
        moved = after < len(goals_changed) and goals_changed[after] - times[at] < TAKEN
        still = np.abs(commands[at] - commands[at - 1]).max() < 2 * TICK
        assert moved or still, f'no servo received step {step.index}; kills: {near}'
        if times[at] - times[at - 1] < 0.15:
            again = kinematics.joint_target(
                np.array(step.state[:6], np.float64),
                commands[at - 1],
                step.action,
                SCHEMA.pitch,
                SCHEMA.wrist_roll,
            )
            off.append(np.abs(again.q - commands[at]).max())
    assert np.mean(np.array(off) < 1e-5) > 0.99  # states are float32
