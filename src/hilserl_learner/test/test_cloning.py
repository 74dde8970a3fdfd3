"""The terms of an update beyond DrQ-v2: cloning and more than two critics."""

from dataclasses import replace
import math

from learner_support.small_agent import SMALL, random_batch
from learner_support.trainer_states import trainer_state
import pytest
import torch

from hilserl_core.policy.exploration import schedule
from hilserl_learner.agent.algorithm_name import import_algorithm
from hilserl_learner.agent.config import AgentConfig, agent_config, class_name
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot, load, restore


def test_more_than_two_critics_make_targets_of_a_random_pair_and_the_actor_gets_their_mean(schema):
    agent = Agent(schema, replace(SMALL, network=replace(SMALL.network, critics=5)))
    values = [torch.full((3, 1), float(i)) for i in range(5)]
    found = [float(agent.smallest(values)[0]) for _ in range(300)]
    assert [found.count(i) / 300 for i in range(5)] == pytest.approx(
        [0.4, 0.3, 0.2, 0.1, 0.0], abs=0.1
    )
    batch = random_batch(schema)
    features = agent.encoder(batch.images)
    noise = torch.zeros_like(batch.action)
    loss = agent.actor_loss(batch, features, noise, 0.0, agent.clone_target(batch, 0.0))[0]
    action = agent.actor(features, batch.state)
    values = torch.cat(agent.critic(features, batch.state, action), 1)
    assert loss.item() == pytest.approx(-values.mean().item(), abs=1e-5)


def test_cloning_trains_the_encoder(schema):
    batch = random_batch(schema)
    gradients = []
    for bc in (0.0, 1.0):
        agent = Agent(schema, SMALL)
        agent.update(batch, 0.0, bc)
        gradients.append(next(agent.encoder.parameters()).grad.clone())
    assert not torch.allclose(*gradients)


def kept(schema, bc):
    """Return how far a cloned policy is from the human's actions after updates with new critics.

    The critics learn that the opposite of each human action is better.
    """
    config = agent_config('cell', f'hidden=64 channels=4 learning_rate=0.003 bc={bc}')
    half, human = random_batch(schema, 8, stack=1), torch.arange(16) < 8
    twice = {name: torch.cat((getattr(half, name),) * 2) for name in ('state', 'next_state')} | {
        name: (torch.cat(getattr(half, name) * 2),) for name in ('images', 'next_images')
    }
    batch = replace(
        half,
        **twice,
        action=torch.cat((half.action, -half.action)),
        reward=(~human).float(),
        discount=torch.zeros(16),
        human=human,
    )
    agent = Agent(schema, config)
    for _ in range(150):
        agent.update(batch, 0.0, 1000.0)
    new = Agent(schema, config, seed=5).critic.state_dict()
    agent.critic.load_state_dict(new)
    agent.critic_target.load_state_dict(new)
    weight = schedule('bc', config.bc, 0.0, 1000.0)
    for step in range(250):
        agent.update(batch, 0.1, weight(step))
    mean = agent.actor(agent.encoder(batch.images), batch.state)
    return (mean - batch.action).square().mean(1)[human].mean().item()


@pytest.mark.slow
def test_a_cloned_policy_is_kept_by_the_default_and_lost_without_cloning(schema):
    assert kept(schema, agent_config('cell', '').bc) < 0.05
    assert kept(schema, '0') > 0.1


def pretrained(schema, **changed):
    """An agent that starts from a policy whose mean action is 0.5 everywhere, and a batch."""
    agent = Agent(schema, replace(SMALL, ema_tau='linear(1,0.5,10)', **changed))
    with torch.no_grad():
        agent.actor.policy[-1].weight.zero_()
        agent.actor.policy[-1].bias.fill_(math.atanh(0.5))
    agent.start_from(agent.online_policy)
    agent.keep_start()
    return agent, random_batch(schema)


def test_where_no_human_acts_the_policy_of_the_start_is_cloned(schema):
    agent, batch = pretrained(schema, bc_start=3.0)
    agent.update(batch, 0.1, 1.0)  # the copy is frozen
    target = agent.clone_target(batch, 2.0)
    assert torch.equal(target.action[batch.human], batch.action[batch.human])
    torch.testing.assert_close(target.action[~batch.human], torch.full((4, 4), 0.5))
    assert target.weight.tolist() == [1.0] * 4 + [6.0] * 4
    assert all(not p.requires_grad for m in agent.start_policy.values() for p in m.parameters())
    for changed in ({'bc_start': 0.0}, {'bc': '0'}):
        alone, _ = pretrained(schema, **changed)
        assert not alone.start_policy
        assert alone.clone_target(batch, 2.0).weight.tolist() == [1.0] * 4 + [0.0] * 4


@pytest.mark.slow
def test_a_start_without_demonstrations_is_kept_by_the_default_only(schema):
    """All rewards are the same: new critics say nothing, and no human acts."""
    moved = {}
    for weight in (AgentConfig().bc_start, 0.0):
        agent, batch = pretrained(schema, bc_start=weight, learning_rate=0.003)
        batch = replace(batch, human=torch.zeros(8, dtype=torch.bool), reward=torch.rand(8))
        for _ in range(60):
            agent.update(batch, 0.2, 2.0)
        mean = agent.actor(agent.encoder(batch.images), batch.state)
        moved[weight] = float((mean.detach() - 0.5).abs().mean())
    assert moved[AgentConfig().bc_start] < 0.05 < 0.2 < moved[0.0]


@pytest.mark.parametrize('gripper', ['continuous', 'discrete'])
def test_the_policy_of_the_start_is_in_the_checkpoint(schema, tmp_path, gripper):
    config = replace(SMALL, network=replace(SMALL.network, gripper=gripper))
    straight = Agent(schema, config, seed=1)
    straight.keep_start()
    straight.update(random_batch(schema), 0.1, 1.0)
    saved = load(Checkpoints(tmp_path).save(Snapshot.of(straight), trainer_state(1)))
    resumed = Agent(schema, config, seed=9)
    restore(resumed, saved)
    for agent in (straight, resumed):
        agent.update(random_batch(schema, number=2), 0.1, 1.0)
    ours, theirs = resumed.state(), straight.state()
    assert 'start_encoder.cameras.0.0.weight' in ours and ours.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize('algorithm', ['cell', 'sac'])
def test_before_the_first_step_no_q_moves_the_policy(schema, algorithm):
    """Demonstrations say nothing of other actions; new critics prefer some all the same."""
    batch = random_batch(schema, stack=1)
    batch = replace(batch, human=torch.ones(8, dtype=torch.bool))
    found = {}
    for train in ('pretrain', 'update'):
        for critic in (1, 2):
            agent = small_agent(schema, algorithm)
            other = small_agent(schema, algorithm, seed=critic)
            agent.critic.load_state_dict(other.critic.state_dict())
            before = critic_of(agent)
            getattr(agent, train)(batch, 0.1, 1.0)
            found[train, critic] = agent.actor.state_dict()
            assert not torch.equal(before, critic_of(agent))
    assert same(found['pretrain', 1], found['pretrain', 2])
    assert not same(found['update', 1], found['update', 2])
    assert not same(found['pretrain', 1], small_agent(schema, algorithm).actor.state_dict())


def test_without_cloning_pretraining_is_an_ordinary_update(schema):
    agents = [small_agent(schema, 'cell', 'bc=0') for _ in range(2)]
    batch = random_batch(schema, stack=1)
    agents[0].pretrain(batch, 0.1), agents[1].update(batch, 0.1)
    assert same(agents[0].actor.state_dict(), agents[1].actor.state_dict())


def small_agent(schema, algorithm, changes='', seed=0):
    config = agent_config(algorithm, f'hidden=32 channels=4 conv_dtype=float32 {changes}')
    return import_algorithm(class_name(algorithm))(schema, config, seed=seed)


def critic_of(agent):
    return agent.critic.q1[0].weight.detach().clone()


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize('limit', [0.0, 0.01])
def test_gradients_are_clipped_only_to_a_limit_that_is_given(schema, limit):
    agent = Agent(schema, replace(SMALL, clip_gradient=limit))
    found = agent.update(random_batch(schema), 0.1, 1.0, detailed=True)
    for name in ('critic_gradient_norm', 'actor_gradient_norm'):
        assert (float(found[name]) < 0.0101) == (limit > 0.0)
