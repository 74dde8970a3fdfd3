"""A policy of LeRobot drives the simulated cell, a human corrects it, and RL starts from that."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from hilserl_core.bags.episode_bag import Bag, bags_by_time
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.steps import Source
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.source_tree import source_root
from so101_description.joints import JOINTS

STAND_IN = source_root() / 'src/hilserl_lerobot/test/lerobot_support/stand_in.py'


def policy(directory: Path, **config: object) -> Path:
    directory.mkdir()
    (directory / 'config.json').write_text(json.dumps(config))
    (directory / 'model.safetensors').write_bytes(b'')
    return directory


def words(tmp_path, command, *more):
    return [
        command,
        'task:=reach',
        f'runs_dir:={tmp_path}',
        'console:=false',
        f'policy:=lerobot:{tmp_path}/act',
        f'lerobot_python:={STAND_IN}',
        'policy_units:=degrees',
        *more,
    ]


@pytest.mark.graph
@pytest.mark.slow
def test_a_policy_of_another_program_drives_and_its_corrected_episodes_are_stored(tmp_path):
    assert os.access(STAND_IN, os.X_OK)
    policy(tmp_path / 'act')
    with own_domain() as environment:
        recording = words(tmp_path, 'record', 'run:=corrected', 'episodes:=2')
        cell = CellProcess(recording, environment)
        assert cell.wait(150) == 0, cell.text[-3000:]
    assert 'POLICY -> HUMAN' in cell.text
    sources, compared = set(), 0
    for bag in bags_by_time(tmp_path / 'corrected' / 'bags'):
        schema, steps = Bag(bag).schema, list(Bag(bag).steps())
        kinematics = kinematics_of(schema)
        position = [schema.state_names.index(f'{joint}.position') for joint in JOINTS]
        error = [schema.state_names.index(f'{joint}.following_error') for joint in JOINTS]
        start = steps[0].state[position] + steps[0].state[error]
        for step, after in itertools.pairwise(steps):
            sources.add((step.source, step.policy_version))
            if after.index == step.index + 1:
                measured = step.state[position].astype(float)
                again = kinematics.joint_target(
                    measured,
                    measured + step.state[error],
                    step.action,
                    schema.pitch,
                    schema.wrist_roll,
                    hold=start,
                ).q
                executed = after.state[position] + after.state[error]
                compared += 1
                assert np.abs(again - executed).max() < 2e-3
    assert sources == {(Source.POLICY, 0), (Source.HUMAN, 0)} and compared > 5
