"""The four node processes of a cell, for tests that kill or disturb them.

The emulated servos and the learner's part run in the test's process.
"""

from array import array
from collections.abc import Callable, Mapping
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
import torch

from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.bundle import pack as pack_policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from so101_description.model import model_hash
from so101_interfaces.msg import Weights
from so101_node import names, qos
from so101_sim import calibration_path

from .watcher import Watcher

SCHEMA = make_task('grasp_lift', model_hash())
NODES = {
    'actor': 'hilserl_actor.actor_node ActorNode',
    'kinematics': 'so101_description.kinematics_node KinematicsNode',
    'camera': 'so101_driver.camera_node CameraNode',
    'driver': 'so101_driver.driver_node DriverNode',
}


class NodeBench:
    """The four processes; `killed`, `stopped`: (name, at, running again at), monotonic s.

    directory: for port, video and log. environment: more variables of the processes. changed: more
    parameters, by node.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        changed: Mapping[str, Mapping[str, object]] | None = None,
    ):
        video = str(directory / 'grey.avi')
        writer = cv2.VideoWriter(video, cv2.VideoWriter.fourcc(*'MJPG'), 30, (160, 120))
        for level in range(90, 150, 2):
            writer.write(np.full((120, 160, 3), level, np.uint8))
        writer.release()
        self.parameters: dict[str, dict[str, object]] = {
            'actor': {
                'has_leader': 'false',
                'auto_start': 'true',
                'ready_time': 0.3,
                'reward_source': 'operator',
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
        for name, parameters in (changed or {}).items():
            self.parameters[name] |= parameters
        self._environment = {**os.environ, **(environment or {})}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: list[tuple[str, float, float]] = []
        self.stopped: list[tuple[str, float, float]] = []
        self.log = directory / 'log.txt'
        self._log = open(self.log, 'w', encoding='utf-8')  # noqa: SIM115  closed by close()

        self._spares = {name: self._prepare(name) for name in NODES}

    def _prepare(self, name: str) -> subprocess.Popen[bytes]:
        """Start a process that imports everything and then waits for a line on stdin."""
        module, node = NODES[name].split()
        words = [
            sys.executable,
            '-X',
            'faulthandler',  # the threads' stacks in the log if it crashes, or hangs at the end
            '-c',
            'import faulthandler, os, signal, sys\n'
            'faulthandler.register(signal.SIGXCPU)\n'  # of SteppedClock
            # the node must not inherit this test's priority
            'os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))\n'
            f'from {module} import {node}\n'
            'from so101_node.ros_node import run\n'
            f'sys.stdin.readline() and run({node})',
            '--ros-args',
        ]
        for parameter, value in self.parameters[name].items():
            words += ['-p', f'{parameter}:={value}']
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env=self._environment,
        )

    def start(self, name: str) -> None:
        """Start a node."""
        self.processes[name], self._spares[name] = self._spares[name], self._prepare(name)
        line = self.processes[name].stdin
        assert line is not None  # a pipe
        line.write(b'go\n')
        line.close()

    def kill(self, name: str, pause: float) -> None:
        """Kill a node (-9) and start it again after `pause` s."""
        self.processes[name].kill()
        at = time.monotonic()
        self.processes[name].wait()
        time.sleep(pause)
        self.killed.append((name, at, time.monotonic()))
        self.start(name)

    def stop(self, name: str, pause: float) -> None:
        """Stop a node (SIGSTOP) for `pause` s."""
        at = time.monotonic()
        self.processes[name].send_signal(signal.SIGSTOP)
        time.sleep(pause)
        self.processes[name].send_signal(signal.SIGCONT)
        self.stopped.append((name, at, time.monotonic()))

    def require_alive(self) -> None:
        """Fail if a node has ended by itself."""
        ended = {
            name: code
            for name, process in self.processes.items()
            if (code := process.poll()) is not None
        }
        assert not ended, f'nodes ended by themselves, with these exit codes: {ended}'

    def end(self) -> None:
        """End all nodes as a closed terminal does; each must exit with 0."""
        for spare in self._spares.values():
            spare.kill()
            spare.wait()
        for process in self.processes.values():
            process.send_signal(signal.SIGHUP)
        codes = {name: exit_code(process) for name, process in self.processes.items()}
        self._log.close()
        print(self.log.read_text(encoding='utf-8'))
        assert codes == dict.fromkeys(NODES, 0), f'exit codes of the nodes: {codes}'


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process; one that hangs writes its threads' stacks into the log."""
    try:
        return process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        return process.wait(10.0)


def wait(
    messages: Watcher, condition: Callable[[], object], what: str, timeout: float = 40.0
) -> None:
    """Wait for `condition`; fail with the actor's last message."""
    end = time.monotonic() + timeout
    while not condition():
        last = messages.actor[-1].message if messages.actor else 'none'
        assert time.monotonic() < end, f'not within {timeout} s: {what}; last message: {last}'
        time.sleep(0.01)


def publish_policy(node: Node) -> Publisher[Weights]:
    """Publish weights as the learner does; return the publisher, which keeps them latched."""
    network = NetworkConfig()
    torch.manual_seed(0)
    encoder = Encoder(SCHEMA, network)
    data = pack_policy(SCHEMA, network, encoder, Actor(encoder.size, SCHEMA, network), 1, 0, 0)
    publisher = node.create_publisher(Weights, names.WEIGHTS, qos.LATCHED)
    publisher.publish(Weights(version=1, data=array('B', data)))
    return publisher
