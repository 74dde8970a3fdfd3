"""The learner's health checks and their warnings."""

from dataclasses import replace

from core_support import record
from learner_support.small_agent import random_batch
import numpy as np
import pytest
import torch

from hilserl_learner.agent.config import ALGORITHMS, AgentConfig
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.health import LIVE_STEPS, Health, broken_inputs

METRICS = {'q_mean': 0.4}


@pytest.fixture
def health(schema):
    return Health(schema, AgentConfig())


@pytest.fixture
def batch(schema):
    return replace(
        random_batch(schema, 64),
        next_images=(),
        images=(torch.full((64, 64, 64, 3), 100, dtype=torch.uint8),),
    )


@pytest.fixture
def replay(schema):
    return Replay(schema, 10)


def live(schema, count, brightness=100, state=None):
    for i in range(count):
        step = record(schema, i, 'live')
        step.images[0][:] = brightness
        step.state[:] = state if state is not None else 0.0
        yield step


def check(health, batch, replay, losses=(0.1,), metrics=METRICS):
    return health.check(np.array(losses), metrics, batch, replay)


def test_a_healthy_run_has_no_warnings(schema, health, batch, replay):
    health.drift.set_reference(batch)
    for step in live(schema, LIVE_STEPS):
        health.drift.add_live_step(step)
    scalars = check(health, batch, replay)
    assert health.warnings == []
    assert scalars['state_outside_share'] == 0.0 and scalars['q_bound'] == 1.0
    assert scalars['brightness_drift/wrist_camera'] == pytest.approx(0.0, abs=1e-3)


def test_darker_images_are_a_warning_that_names_the_camera(schema, health, batch, replay):
    health.drift.set_reference(batch)
    for step in live(schema, LIVE_STEPS, 60):
        health.drift.add_live_step(step)
    check(health, batch, replay)
    assert len(health.warnings) == 1
    assert 'wrist_camera is 40 % darker than in training' in health.warnings[0]


def test_states_outside_training_are_named(schema, health, batch, replay):
    health.drift.set_reference(batch)
    far = np.zeros(19, np.float32)
    far[[1, 13, 14]] = 30.0
    for step in live(schema, LIVE_STEPS, state=far):
        health.drift.add_live_step(step)
    assert check(health, batch, replay)['state_outside_share'] == pytest.approx(3 / 19)
    for name in ('shoulder_lift.position', 'tool.y', 'tool.z'):
        assert name in health.warnings[0]


def test_a_loss_that_stays_high_names_its_causes_in_order(health, batch, replay):
    action = batch.action.clone()
    action[:, 3] = 0.0
    batch = replace(batch, action=action, reward=batch.reward * 100)
    check(health, batch, replay, [2000.0] * 99)
    assert not any('critic loss' in line for line in health.warnings)
    check(health, batch, replay, [2000.0])
    *_, sentence = health.warnings
    assert (
        sentence.index('(1) actions: gripper never change')
        < sentence.index('(2) reward scale: n-step rewards are from 0 to 100, which is large')
        < sentence.index('(3) schema mix: every step')
    )
    check(health, batch, replay, [1.0])
    assert not any('critic loss' in line for line in health.warnings)


def test_a_q_above_any_return_is_a_warning(schema, health, batch, replay):
    check(health, batch, replay, metrics={'q_mean': 1.5})
    assert 'no return can be above 1' in health.warnings[0]
    unbounded = Health(schema, ALGORITHMS['drqv2'])
    check(unbounded, batch, replay, metrics={'q_mean': 90.0})
    assert unbounded.warnings == []
    check(unbounded, batch, replay, metrics={'q_mean': 120.0})
    assert 'above 100' in unbounded.warnings[0]


def test_inputs_that_are_not_finite_are_named(batch):
    assert 'all inputs of the batch are finite' in broken_inputs(batch)
    reward = batch.reward.clone()
    reward[3] = float('nan')
    assert broken_inputs(replace(batch, reward=reward)) == 'not finite in the batch: reward'


def test_a_reward_outside_the_clipped_targets_is_a_warning(health, batch, replay):
    check(health, replace(batch, reward=batch.reward * 5 - 1), replay)
    check(health, batch, replay)
    (sentence,) = health.warnings
    assert 'rewards are from -1 to 4, but targets of Q are clipped to 0 to 1' in sentence
