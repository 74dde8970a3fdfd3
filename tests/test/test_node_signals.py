"""Each node, alone and in its own process: what signals and hang-ups do to it at any moment."""

import os
from pathlib import Path
import random
import re
import select
import signal
import subprocess
import time

from ament_index_python.packages import get_package_prefix
import cv2
import numpy as np
import pytest

from hilserl_actor.bringup.node_table import node_types
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_reward.detector import Settings, SuccessDetector
from hilserl_reward.familiarity import Familiarity, block_sizes
from hilserl_reward.network import HIDDEN, SuccessNetwork
from hilserl_tests.source_tree import source_root
from so101_description.model import model_hash
from so101_node.sign_of_life import READY, VARIABLE
from so101_node.signals import STOPPING
from so101_sim import calibration_path
from so101_sim.servo_arm import ServoArm

pytestmark = [pytest.mark.graph, pytest.mark.slow]

NODES = sorted(node_types())


class RunningNode:
    """A node's process, and the pipe that tells that it is ready."""

    def __init__(self, name, parameters):
        self._end, theirs = os.pipe()
        words = [f'{get_package_prefix(node_types()[name].package)}/lib/']
        words[0] += f'{node_types()[name].package}/{name}'
        words += ['--ros-args', '-r', '__ns:=/signals']
        for each, value in parameters.items():
            words += ['-p', f'{each}:={value}']
        self.process = subprocess.Popen(
            words,
            env={**os.environ, VARIABLE: str(theirs)},
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(theirs)

    def wait_until_ready(self, timeout=120.0):
        """Wait until its constructor has returned."""
        signs, end = b'', time.monotonic() + timeout
        while READY not in signs:
            assert time.monotonic() < end, 'the node was not ready in time'
            if select.select([self._end], [], [], 0.1)[0]:
                signs += os.read(self._end, 64) or pytest.fail(self.process.stdout.read())

    def wait_until_it_handles(self, number, timeout=60.0):
        """Wait until the process has a handler of this signal."""
        end, status = time.monotonic() + timeout, Path(f'/proc/{self.process.pid}/status')
        while not int(re.search(r'SigCgt:\s*(\w+)', status.read_text())[1], 16) >> number - 1 & 1:
            assert time.monotonic() < end, 'the node handles no signal'
            time.sleep(0.005)

    def ended(self):
        """Return exit code and output."""
        try:
            output, _ = self.process.communicate(timeout=40)
        finally:
            self.process.kill()
            os.close(self._end)
        return self.process.returncode, output


def new_detector(path):
    """Write a success detector that was never trained."""
    schema, config = make_task('grasp_lift', model_hash()), NetworkConfig()
    sizes = block_sizes(HIDDEN, len(schema.state_names), len(schema.cameras))
    SuccessDetector(
        schema,
        config,
        SuccessNetwork(schema, config),
        Familiarity(np.zeros(sum(sizes)), np.eye(sum(sizes)), sizes, np.ones(len(sizes))),
        Settings(slope=1.0, offset=0.0, threshold=0.5, needed=2, of=3),
    ).save(path)
    return path


def lerobot_policy(directory):
    """Make a policy's directory; return parameters with a stand-in for LeRobot."""
    directory.mkdir()
    (directory / 'config.json').write_text('{}')
    (directory / 'model.safetensors').write_bytes(b'')
    stand_in = source_root() / 'src/hilserl_lerobot/test/lerobot_support/stand_in.py'
    return {
        'policy_directory': directory,
        'lerobot_python': stand_in,
        'policy_units': 'degrees',
    }


@pytest.fixture
def parameters(tmp_path, domain):
    """The parameters that each node needs, by name of the node."""
    video = str(tmp_path / 'grey.avi')
    writer = cv2.VideoWriter(video, cv2.VideoWriter_fourcc(*'MJPG'), 30, (160, 120))
    for level in range(90, 150, 2):
        writer.write(np.full((120, 160, 3), level, np.uint8))
    writer.release()
    needed = {name: {} for name in NODES}
    needed['camera'] = {'camera_device': video, 'camera_width': 160, 'camera_height': 120}
    needed['learner'] = {'run_dir': tmp_path / 'run'}
    needed['world'] = {f'{arm}_port': tmp_path / f'world-{arm}' for arm in ('follower', 'leader')}
    needed['driver'] = {
        'follower_port': tmp_path / 'follower',
        'follower_calibration': calibration_path('follower'),
        'answer_timeout': 0.04,
    }
    needed['success_detector'] = {'detector': new_detector(tmp_path / 'new.safetensors')}
    needed['lerobot_policy'] = lerobot_policy(tmp_path / 'act')
    arm = ServoArm('follower', str(tmp_path / 'follower'), np.zeros(6))
    arm.bus.start()
    yield needed
    arm.bus.stop()


@pytest.mark.parametrize('name', NODES)
def test_no_terminal_stops_a_node_and_a_closed_one_ends_it(parameters, name):
    node = RunningNode(name, parameters[name])
    node.wait_until_ready()
    for number in STOPPING:
        node.process.send_signal(number)
    time.sleep(0.1)
    with open(f'/proc/{node.process.pid}/stat', encoding='utf-8') as file:
        assert file.read().rpartition(')')[2].split()[0] not in 'TZ'
    node.process.send_signal(signal.SIGHUP)
    code, output = node.ended()
    assert (code, 'Traceback' in output) == (0, False), output


@pytest.mark.parametrize('name', NODES)
def test_a_signal_during_its_start_ends_each_node_without_a_trace(parameters, name):
    number = random.choice((signal.SIGINT, signal.SIGQUIT))
    delay = random.choice((0.0, random.uniform(0.5, 3.0)))
    node = RunningNode(name, parameters[name])
    node.wait_until_it_handles(signal.SIGQUIT)  # which Python alone does not
    time.sleep(delay)
    node.process.send_signal(number)
    code, output = node.ended()
    assert (code, 'Traceback' in output) == (0, False), (delay, number, output)
