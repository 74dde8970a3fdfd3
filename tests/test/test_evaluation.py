"""Evaluations in the whole cell: same situations after an interruption; bags of failures."""

import re

from geometry_msgs.msg import PoseStamped
import numpy as np
import pytest
from std_srvs.srv import Trigger
import torch

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.evaluation_report import read_report as read
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.spun_node import spun_node
from hilserl_tests.terminal_cell import TerminalCell
from so101_description.model import model_hash
from so101_interfaces.msg import Step
from so101_node import names, qos

pytestmark = pytest.mark.graph

ENOUGH = 10  # steps


class Situations:
    """Records the poses of cube and tool at the first step of each episode, in order.

    It marks each episode as a failure after ENOUGH steps.
    """

    def __enter__(self):
        self.found, self._cube = [], None
        self._spun = spun_node('situations')
        node = self._spun.__enter__()
        node.create_subscription(
            PoseStamped,
            names.SIM_CUBE_POSE,
            lambda m: setattr(self, '_cube', m.pose.position),
            qos.SENSOR_SUB,
        )
        node.create_subscription(Step, names.STEP, self._on_step, qos.STEPS)
        self._failure = node.create_client(Trigger, names.FAILURE)
        return self

    def _on_step(self, step):
        if step.index == 0:
            self.found.append([self._cube.x, self._cube.y, *step.state[12:15]])
        elif step.index == ENOUGH:
            self._failure.call_async(Trigger.Request())

    def __exit__(self, *error):
        self._spun.__exit__(*error)


def test_two_evaluations_have_the_same_situations_although_one_is_interrupted(tmp_path):
    schema, network = make_task('grasp_lift', model_hash()), NetworkConfig()
    torch.manual_seed(0)
    encoder = Encoder(schema, network)
    policy = tmp_path / 'policy.safetensors'
    actor = Actor(encoder.size, schema, network)
    policy.write_bytes(pack(schema, network, encoder, actor, 1, 0, 0))
    words = ['eval', f'runs_dir:={tmp_path}', 'run:=lift', f'policy:={policy}', 'episodes:=2']
    words += ['console:=false']
    with own_domain() as environment:
        with Situations() as cut:
            first = CellProcess(words, environment)
            first.wait_for('EVAL -> RESET: the operator', 90)
            first.interrupt()
            assert 'interrupted after 1 of 2 episodes' in first.text
            assert 'alone: 0 of 1 episodes succeeded' in first.text, first.text[-3000:]
            second = CellProcess(words, environment)
            assert second.wait(90) == 0, second.text[-3000:]
            assert 'from episode 2 on' in second.text
        with Situations() as whole:
            third = TerminalCell(words, environment)
            assert third.process.wait(90) == 0, third.text[-3000:]
            third.wait_for_end()
    for text in (second.text, third.text):  # in a pipe, and on a terminal after its screen
        assert re.search(r'cell: policy \S+ alone: \d of 2 episodes succeeded', text), text[-3000:]
        assert 'cell: picture: ' in text
    # an aborted episode (late camera, interrupt) is repeated in the same situation
    firsts, lasts = (np.array([cell.found[i] for cell in (cut, whole)]) for i in (0, -1))
    for first, other in (firsts, lasts):
        assert np.allclose(first[:2], other[:2], atol=0.002)  # cube, m
        assert np.allclose(first[2:], other[2:], atol=0.02)  # tool, m: where the arm stops
    assert np.abs(firsts[0] - lasts[0])[:2].max() > 0.005
    one, again = sorted((tmp_path / 'lift' / 'eval').glob('*-seed0-2*'), key=lambda d: d.name)
    assert again.name == one.name + '-2'
    for directory in (one, again):
        data = read(directory)
        assert data['complete'] and data['world'] == 'plain' and data['seed'] == 0
        failed = [row for row in data['results'] if row['outcome'] != 'success']
        assert {bag.directory.name for bag in open_bags(directory / 'bags')} == {
            row['episode_id'] for row in failed
        }
    assert (tmp_path / 'lift' / 'eval' / 'success.png').is_file()
