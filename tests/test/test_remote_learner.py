"""A learner behind the link: what dies on either side costs no step, and strangers see nothing."""

from dataclasses import replace
import os
from pathlib import Path
import signal
import socket
import subprocess
import time

from core_support import record
import pytest

from hilserl_actor.bringup.plan import NodeSpec
from hilserl_actor.bringup.supervisor import command_line
from hilserl_core.bags.cdr import step_to_cdr
from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.weights import weights_run_id
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.spun_node import spun_node
from so101_description.model import model_hash
from so101_interfaces.msg import LearnerStatus, LinkStatus, Step, Weights
from so101_node import names, qos

EPISODE = 10  # steps


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def process_with(text: str, program: str) -> int:
    """Return the id of the process of a program whose command line has `text`."""
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode()
            except OSError:
                continue
            if text in line and f'/{program} ' in line:
                return int(entry.name)
    raise AssertionError(f'{program} does not run')


class Arm:
    """What an actor does on the arm's side, in this process: it publishes steps."""

    def __init__(self, node, schema):
        self.schema, self.made, self.policies, self.link = schema, [], [], None
        self.learner = None
        self._publisher = node.create_publisher(Step, names.STEP, qos.STEPS_KEPT)
        node.create_subscription(
            Weights, names.WEIGHTS, self.policies.append, qos.LATCHED, raw=True
        )
        node.create_subscription(
            LinkStatus, names.LINK_STATUS, lambda m: setattr(self, 'link', m), qos.STATUS
        )
        node.create_subscription(
            LearnerStatus,
            names.LEARNER_STATUS,
            lambda m: setattr(self, 'learner', m),
            qos.STATUS,
        )

    def step(self, count):
        run_id = weights_run_id(bytes(self.policies[-1]))
        for _ in range(count):
            number = len(self.made)
            episode, index = f'e-{number // EPISODE}', number % EPISODE
            step = record(self.schema, index, episode, last=index == EPISODE - 1)
            step = replace(step, stamp=step.stamp + number, run_id=run_id)
            self.made.append((episode, index))
            self._publisher.publish(bytes(step_to_cdr(step)))
            time.sleep(0.01)

    @property
    def subscribed(self):
        return self._publisher.get_subscription_count() > 0


@pytest.mark.graph
@pytest.mark.slow
def test_no_step_is_lost_or_doubled_when_learner_server_or_client_dies(tmp_path):
    schema = make_task('grasp_lift', model_hash())
    address = f'127.0.0.1:{free_port()}'
    client = NodeSpec(
        'hilserl_link',
        'link_client',
        {'learner_address': address, 'spool_dir': str(tmp_path / 'spool')},
    )
    with own_domain() as there:
        there = dict(there)
        learning = CellProcess(
            ['learn', 'run:=far', f'runs_dir:={tmp_path}', f'listen:={address}'], there
        )
        with own_domain() as here, spun_node('arm') as node:
            arm = Arm(node, schema)

            def start():
                arm.link = None
                process = subprocess.Popen(command_line(client, ''), env=here)
                # a killed client's subscription is listed for a while; its status is not repeated
                wait(lambda: arm.subscribed and arm.link)
                return process

            linked = start()
            wait(lambda: arm.policies)
            arm.step(25)
            wait(lambda: arm.link.waiting_steps == 0)
            assert arm.link.connected and not arm.link.encrypted
            wait(lambda: arm.learner is not None)
            assert abs(arm.link.clock_difference_s) < 1.0

            time.sleep(4.0)  # past the time in which a death counts as a failed start
            os.kill(process_with(str(tmp_path), 'learner'), signal.SIGKILL)
            while 'resumed run far' not in learning.text:
                arm.step(1)
                time.sleep(0.05)
            arm.step(5)
            wait(lambda: arm.link.waiting_steps == 0)

            os.kill(process_with(f'listen:="{address}"', 'link_server'), signal.SIGKILL)
            arm.step(20)
            wait(lambda: arm.link.waiting_steps == 0)

            arm.step(15)
            linked.send_signal(signal.SIGINT)
            assert linked.wait(20.0) == 0
            wait(lambda: not arm.subscribed)
            linked = start()
            arm.step(10)
            wait(lambda: arm.link.connected and arm.link.recorded_steps >= 10)
            assert arm.link.lost_steps == arm.link.refused_steps == 0
            linked.send_signal(signal.SIGINT)
            assert linked.wait(20.0) == 0
        learning.interrupt()
    assert learning.process.returncode == 0 and 'Traceback' not in learning.text
    recorded = [
        (step.episode_id, step.index)
        for bag in open_bags(tmp_path / 'far' / 'bags')
        for step in bag.steps()
    ]
    assert sorted(recorded) == sorted(arm.made)  # each once
