"""Guards: the smallest problem on which a wrong sign of the reward, or reversed mixing, shows.

Steps pass through replay, batches and trainer, as in a run. One number of the action decides.
"""

from dataclasses import replace

from core_support import record
from learner_support.running_learner import OPTIONS
import numpy as np
import pytest

from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.policy.inference import Policy
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.resume import make_algorithm
from hilserl_learner.training.trainer import Trainer

GOOD = 0.6  # the value of each component of a good action; a bad one has -GOOD


def trainer_of(schema, episodes, agent_options, algorithm='cell', seed=0):
    """A trainer whose replay has these episodes: (source, action, outcome) of each."""
    options = replace(
        OPTIONS,
        algorithm=algorithm,
        batch_size=32,
        sigma='0.2',
        agent_options=f'hidden=32 channels=4 learning_rate=0.003 ema_tau=1 {agent_options}',
    )
    replay = Replay(schema, 2000)
    rng = np.random.default_rng(seed)
    for number, (source, action, outcome) in enumerate(episodes):
        for i in range(3):
            last = i == 2
            step = record(
                schema,
                i,
                f'e{number}',
                last=last,
                images=(np.full((64, 64, 3), 100, np.uint8),),
                source=Source.NONE if last else source,
                outcome=outcome if last else Outcome.NONE,
                terminated=i == 1 and outcome == Outcome.SUCCESS,
                truncated=i == 1 and outcome != Outcome.SUCCESS,
                reward=None if last else float(i == 1 and outcome == Outcome.SUCCESS),
            )
            if not last:
                step.action[:] = np.clip(action + 0.3 * rng.standard_normal(4), -1.0, 1.0)
            assert replay.add(step) == ''
    agent = make_algorithm(schema, options.config(), options, print)
    return Trainer(schema, options, agent, replay, print)


def learned_action(trainer, updates):
    """The mean component of the policy's action after these updates."""
    for _ in range(updates):
        trainer.update()
    trainer.collect_metrics()
    policy = Policy.from_bytes(trainer.next_policy(), trainer.schema.hash)
    image = np.full((64, 64, 3), 100, np.uint8)
    action = policy.act([image], np.zeros(19, np.float32), 0.0, np.random.default_rng(0))
    return float(action.mean())


@pytest.mark.slow
@pytest.mark.parametrize('algorithm', ['cell', 'sac'])
def test_the_policy_learns_what_is_rewarded_and_not_its_opposite(schema, algorithm):
    good = (Source.POLICY, GOOD, Outcome.SUCCESS)
    bad = (Source.POLICY, -GOOD, Outcome.TIMEOUT)
    trainer = trainer_of(schema, [good, bad] * 30, 'bc=0', algorithm)
    assert learned_action(trainer, 120) > 0.3


@pytest.mark.slow
def test_half_of_each_batch_is_what_humans_did_well_and_that_is_cloned(schema):
    """Few good human steps beside many of the policy, and human steps of failed episodes."""
    human = [(Source.HUMAN, GOOD, Outcome.SUCCESS)] * 5
    policy = [(Source.POLICY, -GOOD, Outcome.SUCCESS)] * 60
    failed = [(Source.HUMAN, -GOOD, Outcome.FAILURE)] * 20
    trainer = trainer_of(schema, human + policy + failed, 'bc=20')
    assert learned_action(trainer, 100) > 0.3
    assert trainer.metrics['human_share'] == pytest.approx(0.5)
    assert trainer.metrics['prior_steps'] == 10
