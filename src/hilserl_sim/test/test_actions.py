"""Tasks with other actions in the whole simulated cell: a person and a policy drive them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hilserl_core.bags.episode_bag import open_bags
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source, problem
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.networks import Actor, Encoder, NetworkConfig
from hilserl_learner.training.options import LearnerOptions
from hilserl_sim.cell import SimulatedCell
from hilserl_sim.training import record_demonstrations, train
from so101_description.model import model_hash

pytestmark = pytest.mark.slow

TASK = """
version: 1
name: mine
instruction: lift the cube
seconds: 15
cameras:
  wrist: {height: 32, width: 32}
action: ACTION
start: START
sim:
  scene: cube.xml
  place: {cube: {position: [0.25, 0.0, 0.0125], spread: [0.02, 0.02]}}
  success: [{is: lifted, body: cube, by: 0.04}]
  area: {min: [0.16, -0.09], max: [0.34, 0.09]}
  skill: {grasp: cube}
"""
JOINTS = (
    '{shoulder_pan: 0.1, shoulder_lift: 0.15, elbow_flex: 0.15, wrist_flex: 0.15, wrist_roll: 0.1}'
)
ACTIONS = {
    'scales': '{dx: 0.02, dy: 0.03, dz: 0.015}',
    'wrist': '{droll: 0.1, dpitch: 0.1}',
    'discrete': '{discrete_gripper: true}',
    'joints': '{dx: 0, dy: 0, dz: 0, joints: ' + JOINTS + '}',
}


@pytest.fixture
def write(tmp_path):
    def write(action, start='{pitch: 90}'):
        path = tmp_path / 'mine.yaml'
        path.write_text(TASK.replace('ACTION', action).replace('START', start), encoding='utf-8')
        return str(path), make_task(str(path), model_hash())

    return write


def policy_of(schema):
    torch.manual_seed(3)
    network = NetworkConfig(hidden=32, channels=8)
    encoder = Encoder(schema, network)
    actor = Actor(encoder.size, schema, network)
    return Policy.from_bytes(pack(schema, network, encoder, actor, 1, 0, 0))


def run(path, schema, role, episodes, policy=False, seed=0):
    steps = []
    cell = SimulatedCell(schema, role, seed, 'plain', lambda n: 0.5, steps.append, task=path)
    try:
        if policy:
            cell.loop.offer(policy_of(schema))
        cell.run_episodes(episodes)
    finally:
        cell.close()
    for step in steps:
        assert problem(step, schema) == ''
    return steps


def check_of(steps, schema):
    check = ActionCheck(schema)
    for step in steps:
        check.add_step(step)
    return check.problem()


@pytest.mark.parametrize('kind', ACTIONS)
def test_the_scripted_operator_demonstrates_with_every_kind_of_action(write, kind):
    path, schema = write(ACTIONS[kind])
    steps = run(path, schema, 'record', 2)
    assert [step.outcome for step in steps if step.last] == [Outcome.SUCCESS] * 2
    first = steps[: 1 + next(i for i, step in enumerate(steps) if step.last)]
    assert check_of(first, schema) == ''
    zero = [replace(s, action=np.zeros_like(s.action)) if not s.last else s for s in first]
    assert 'other actions moved it' in check_of(zero, schema)
    if kind == 'discrete':
        assert {float(s.action[-1]) for s in steps if not s.last} <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize('kind', ['wrist', 'joints'])
def test_a_person_brings_back_what_a_policy_turned_away(write, kind):
    """A policy with random weights and much noise turns the wrist, too."""
    path, schema = write(ACTIONS[kind])
    steps = run(path, schema, 'train', 4, policy=True)
    by = {Source.POLICY, Source.HUMAN}
    assert {step.source for step in steps if not step.last} == by
    assert Outcome.SUCCESS in {step.outcome for step in steps if step.last}


def test_a_held_height_stays_in_the_whole_cell(write):
    path, schema = write('{dz: 0, gripper: 0}', '{position: [0.25, 0, 0.1], spread: 0.0}')
    assert schema.action_names == ('dx', 'dy')
    steps = run(path, replace(schema, max_steps=40), 'eval', 2, policy=True)
    z, x = (schema.state_names.index(name) for name in ('tool.z', 'tool.x'))
    tool = np.array([step.state for step in steps])
    assert np.ptp(tool[:, x]) > 0.02 and np.abs(tool[:, z] - 0.1).max() < 0.02


def test_a_wrist_starts_at_the_pose_of_the_task_and_turns(write):
    path, schema = write(
        '{droll: 0.15, dpitch: 0.1, gripper: 0}', '{pitch: 70, roll: 30, position: [0.25, 0, 0.1]}'
    )
    steps = run(path, replace(schema, max_steps=30), 'eval', 1, policy=True)
    roll = schema.state_names.index('wrist_roll.position')
    assert steps[0].state[roll] == pytest.approx(np.radians(30), abs=0.05)
    assert np.ptp([step.state[roll] for step in steps]) > 0.1


def test_a_run_learns_from_demonstrations_with_other_axes(write, tmp_path):
    path, schema = write('{droll: 0.1, discrete_gripper: true}')
    record_demonstrations(schema, tmp_path / 'demos', 1, 0, 'plain', task=path)
    options = LearnerOptions(
        start='demos',
        demos=(str(tmp_path / 'demos'),),
        agent_options='hidden=32 channels=8 gripper=discrete',
        batch_size=16,
        min_steps=20,
        memory_gb=0.02,
        pretrain_updates=5,
    )
    progress = train(schema, tmp_path / 'run', options, 'plain', 0.1, 0.1, 1, task=path)
    assert progress.updates > 5 and len(progress.evaluations) == 1
    steps = [step for bag in open_bags(tmp_path / 'run' / 'bags') for step in bag.steps()]
    actions = np.array([step.action for step in steps if not step.last])
    assert actions.shape[1] == 5 and set(actions[:, 4].tolist()) <= {-1.0, 0.0, 1.0}
