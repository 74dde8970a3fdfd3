"""The trainer alone: no thread, no clock, and no disk except for one checkpoint."""

from dataclasses import replace

from learner_support.running_learner import OPTIONS, episode
from learner_support.small_agent import random_batch
import numpy as np
import pytest
import torch

from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.policy.inference import Policy
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot, load
from hilserl_learner.training.metrics import NotFinite, UpdateMetrics
from hilserl_learner.training.trainer import Trainer

OPTIONS = replace(OPTIONS, agent_options='hidden=32 channels=8')


def trainer_of(schema, options=OPTIONS, seed=0, steps=(), **more):
    agent = Agent(schema, options.config(), seed=seed)
    replay = Replay(schema, 500)
    for step in steps:
        replay.add(step)
    logged = []
    trainer = Trainer(schema, options, agent, replay, logged.append, **more)
    trainer.logged = logged
    return trainer


def train(trainer, steps):
    for step in steps:
        trainer.add(step)
        while trainer.update_due:
            trainer.update()


def steps_of(schema, *names):
    return [step for name in names for step in episode(schema, name, 12)]


def different(one, other):
    ours, theirs = one.agent.state(), other.agent.state()
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


def action_of(trainer):
    policy = Policy.from_bytes(trainer.next_policy(), trainer.schema.hash)
    return policy.act([np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32), 0.0, None)


@pytest.mark.slow
def test_the_same_calls_give_the_same_weights(schema):
    one, other = trainer_of(schema), trainer_of(schema)
    for trainer in (one, other):
        train(trainer, steps_of(schema, 'a', 'b'))
        trainer.collect_metrics()
    assert one.updates == one.pacer.credited == 14 and different(one, other) == []
    assert np.array_equal(action_of(one), action_of(other))


@pytest.mark.slow
def test_a_resumed_trainer_continues_bit_for_bit(schema, tmp_path):
    before, after = steps_of(schema, 'a', 'b'), steps_of(schema, 'c')
    first = trainer_of(schema)
    train(first, before)
    first.next_policy()
    checkpoint = load(Checkpoints(tmp_path).save(Snapshot.of(first.agent), first.state()))
    second = trainer_of(schema, seed=9, steps=before, env_steps=24, episodes={'a', 'b'})
    assert second.updates == 0
    second.resume(checkpoint)
    assert second.state() == first.state()
    for trainer in (first, second):
        train(trainer, after)
    assert different(first, second) == [] and second.state() == first.state()
    assert first.updates == 14 + 12 and np.array_equal(action_of(first), action_of(second))


def test_steps_that_are_newer_than_the_checkpoint_make_updates_due(schema, tmp_path):
    before = steps_of(schema, 'a', 'b')
    first = trainer_of(schema)
    train(first, before)
    checkpoint = load(Checkpoints(tmp_path).save(Snapshot.of(first.agent), first.state()))
    later = [*before, *steps_of(schema, 'c')]
    second = trainer_of(schema, steps=later, env_steps=36, episodes={'a', 'b', 'c'})
    second.resume(checkpoint)
    assert second.pacer.credited - second.pacer.updates == 12


def test_no_policy_is_new_before_pretraining_is_complete(schema):
    trainer = trainer_of(schema, replace(OPTIONS, start='demos', demos=('d',), pretrain_updates=3))
    for step in episode(schema, 'demo', 20):
        trainer.replay.add(step, demonstration=True)
    for left in (3, 2, 1):
        assert trainer.pretrain_left == left and trainer.update_due
        assert not trainer.has_new_policy
        trainer.update()
    assert trainer.has_new_policy and not trainer.update_due and trainer.pacer.updates == 0
    assert Policy.from_bytes(trainer.next_policy(), schema.hash).updates == 3
    assert not trainer.has_new_policy
    assert trainer.logged == ['pretraining on demonstrations is complete; the policy may start']


def test_pretraining_that_was_interrupted_goes_on_and_its_policy_is_kept_as_the_start(
    schema, tmp_path
):
    def trainer():
        found = trainer_of(schema, options)
        for step in episode(schema, 'demo', 20):
            found.replay.add(step, demonstration=True)
        return found

    options = replace(OPTIONS, start='demos', demos=('d',), pretrain_updates=3)
    first, second = trainer(), trainer()
    first.update()
    second.resume(load(Checkpoints(tmp_path).save(Snapshot.of(first.agent), first.state())))
    for left in (2, 1):
        assert second.pretrain_left == left and not second.agent.start_policy
        second.update()
    assert not second.pretrain_left
    made = second.agent.policy()['actor'].state_dict()
    kept = second.agent.start_policy['actor'].state_dict()
    assert all(torch.equal(made[name], kept[name]) for name in made)


def test_a_step_without_credit_is_stored_and_makes_no_update_due(schema):
    trainer = trainer_of(schema, replace(OPTIONS, min_steps=1))
    for step in episode(schema, 'a'):
        trainer.add(step, credit=False)
    assert len(trainer.replay) == trainer.env_steps == 8 and not trainer.update_due


@pytest.mark.parametrize('outcome, problem', [(Outcome.DISCARDED, False), (Outcome.SUCCESS, True)])
def test_discarded_and_impossible_episodes_leave_the_replay(schema, outcome, problem):
    trainer = trainer_of(schema)
    steps = episode(schema, 'a', outcome=outcome)
    for step in steps:
        if problem and not step.last:
            step.action[:] = 0.0
        summary = trainer.add(step)
    assert summary.counts is problem and bool(summary.problem) is problem
    assert len(trainer.replay) == 0 and trainer.env_steps == 8
    assert trainer.logged == (
        [f'episode a is not in the replay: {summary.problem}'] if problem else []
    )


def test_only_episodes_without_help_count_as_success_of_the_policy(schema):
    trainer = trainer_of(schema)
    train(trainer, steps_of(schema, 'helped'))
    assert trainer.recent.share == 0.0
    for step in steps_of(schema, 'alone'):
        trainer.add(step if step.last else replace(step, source=Source.POLICY))
    assert trainer.recent.share == 0.5 and trainer.state().success_episodes == 2


@pytest.mark.parametrize('outcome', [Outcome.NONE, Outcome.DISCARDED])
def test_an_aborted_or_discarded_episode_is_neither_counted_nor_a_failure(schema, outcome):
    trainer = trainer_of(schema)
    for step in episode(schema, 'a', outcome=outcome):
        summary = trainer.add(step)
    assert trainer.episodes == len(trainer.recent) == 0 and summary.scalars == {}


def test_the_curves_tell_success_alone_from_success_with_help(schema):
    trainer = trainer_of(schema)
    for step in episode(schema, 'helped'):
        helped = trainer.add(step)
    for step in episode(schema, 'alone'):
        alone = trainer.add(step if step.last else replace(step, source=Source.POLICY))
    assert (helped.scalars['success_alone'], helped.scalars['success_with_help']) == (0.0, 1.0)
    assert (alone.scalars['success_alone'], alone.scalars['success_with_help']) == (1.0, 0.0)


def test_metrics_are_averaged_once_and_rare_ones_keep_their_value(schema):
    trainer = trainer_of(schema)
    assert trainer.collect_metrics() == {}
    train(trainer, steps_of(schema, 'a', 'b'))
    found = trainer.collect_metrics()
    assert found['update_ratio'] == 1.0 and found['replay_steps'] == 24
    assert trainer.collect_metrics() == {}
    trainer.update()  # the 15th, without gradient norms
    assert trainer.collect_metrics()['critic_gradient_norm'] == found['critic_gradient_norm']


def test_weights_that_are_not_finite_are_neither_published_nor_saved(schema):
    trainer = trainer_of(schema)
    train(trainer, steps_of(schema, 'a'))
    trainer.agent.critic_target.q2[0].weight.data[3, 4] = float('nan')
    for use in (trainer.next_policy, trainer.state):
        with pytest.raises(NotFinite, match='1 of .* weights .* critic_target.q2.0.weight'):
            use()
    assert trainer.version == 0


def test_a_rare_metric_that_is_not_finite_names_its_update(schema):
    metrics, batch = UpdateMetrics(), random_batch(schema)
    fine, nan = torch.tensor(1.0), torch.tensor(float('nan'))
    for norm in (fine, None, nan, None):
        more = {} if norm is None else {'critic_gradient_norm': norm}
        metrics.add({'critic_loss': fine} | more, batch)
    with pytest.raises(NotFinite, match='critic_gradient_norm not finite after 9 updates'):
        metrics.collect(10)


def test_a_drift_of_the_state_is_seen_although_the_replay_has_the_drifted_steps(schema):
    trainer = trainer_of(schema, steps=_drifting(schema, 'old', 300, 0.0))
    for step in _drifting(schema, 'live', 150, 0.5):
        trainer.add(step)
    trainer.update()
    trainer.collect_metrics()
    assert trainer.metrics['state_outside_share'] > 0.2
    assert '% of the state values are outside' in trainer.health.warnings[0]


def _drifting(schema, name, count, offset):
    for step in episode(schema, name, count):
        joints = [i for i, n in enumerate(schema.state_names) if n.endswith('.position')]
        state = np.zeros_like(step.state)
        state[joints] = offset
        yield replace(step, state=state)


@pytest.mark.slow
def test_a_raised_update_ratio_applies_to_later_steps_only(schema, tmp_path):
    one = trainer_of(schema)
    train(one, steps_of(schema, 'a', 'b'))
    saved = Checkpoints(tmp_path).save(Snapshot.of(one.agent), one.state())
    for ratio in (4.0, 0.5):
        other = trainer_of(
            schema,
            replace(OPTIONS, update_ratio=ratio),
            steps=steps_of(schema, 'a', 'b'),
            env_steps=24,
        )
        other.resume(load(saved))
        assert not other.update_due
        train(other, steps_of(schema, 'c'))
        assert other.updates - one.updates == 12 * ratio
