"""A gripper that closes, holds or opens by Q, as in HIL-SERL, from the loss to the bundle."""

from dataclasses import replace

from core_support.policies import observation, repacked
from learner_support.small_agent import SMALL, parameters, random_batch
from learner_support.trainer_states import trainer_state
import numpy as np
import pytest
import safetensors.torch
import torch

from hilserl_core.policy.bundle import FORMAT, Bundle, pack, tensors_digest
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.agent.grasp_critic import MARGIN, choice, gripper_loss
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot, restore
from hilserl_learner.training.warm_start import adopt_policy
from so101_node.errors import CellError

CONFIG = replace(SMALL, network=replace(SMALL.network, gripper='discrete'))


def packed(agent, version=1, **options):
    return pack(
        agent.schema,
        agent.config.network,
        agent.encoder,
        agent.actor,
        version,
        0,
        0,
        agent.gripper,
        **options,
    )


def rigged(schema, values):
    """An agent whose gripper has these Qs for every observation."""
    agent = Agent(schema, CONFIG)
    with torch.no_grad():
        for head in (agent.gripper.q, agent.gripper_target.q):
            head[-1].weight.zero_()
            head[-1].bias.copy_(torch.tensor(values))
    return agent


def test_choices_are_the_nearest_of_close_hold_and_open():
    action = torch.tensor([[0.0, a] for a in (-1.0, -0.6, -0.4, 0.0, 0.4, 0.6, 1.0)])
    assert choice(action)[:, 0].tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_the_loss_is_double_q_learning(schema):
    """Plain transcription: the online network chooses, the target network gives the value."""
    agent, batch = Agent(schema, CONFIG, seed=2), random_batch(schema)
    other, unbounded = (
        Agent(schema, CONFIG, seed=3),
        replace(CONFIG, target_low=-1e9, target_high=1e9),
    )
    agent.gripper_target.load_state_dict(other.gripper.state_dict())
    h, next_h = agent.encoder(batch.images), agent.encoder(batch.next_images)
    loss = gripper_loss(
        agent.gripper,
        agent.gripper_target,
        batch,
        h,
        next_h,
        unbounded,
        0.0,
        torch.float32,
        agent.clone_target(batch, 0.0),
    )
    with torch.no_grad():
        q, online, target = (
            agent.gripper(h, batch.state),
            agent.gripper(next_h, batch.next_state),
            agent.gripper_target(next_h, batch.next_state),
        )
        assert (online.argmax(1) != target.argmax(1)).any()
        total = 0.0
        for i in range(8):
            taken = {-1: 0, 0: 1, 1: 2}[round(float(batch.action[i, 3]))]
            best = int(online[i].argmax())
            y = float(batch.reward[i] + batch.discount[i] * target[i, best])
            total += (float(q[i, taken]) - y) ** 2
    assert loss.item() == pytest.approx(total / 8, abs=1e-6)


def test_every_parameter_moves_and_actor_and_critics_do_without_the_gripper(schema):
    agent = Agent(schema, CONFIG)
    assert agent.actor.policy[-1].out_features == 3
    assert agent.critic.q1[0].in_features == agent.critic.trunk.size + 3
    before = parameters(agent)
    metrics = agent.update(random_batch(schema), 0.1, 0.5, detailed=True)
    after = parameters(agent)
    assert [n for n in before if torch.equal(before[n], after[n])] == []
    assert float(metrics['gripper_loss']) > 0.0


@pytest.mark.slow
def test_it_learns_the_choice_with_the_higher_reward(schema):
    agent, batch = Agent(schema, CONFIG), random_batch(schema, 48)
    action = batch.action.clone()
    action[:, 3] = torch.arange(48) % 3 - 1.0
    batch = replace(
        batch, action=action, reward=(action[:, 3] == -1.0).float(), discount=torch.zeros(48)
    )
    for _ in range(80):
        agent.update(batch, 0.1)
    with torch.no_grad():
        q = agent.gripper(agent.encoder(batch.images), batch.state)
    assert (q.argmax(1) == 0).float().mean() > 0.9


@pytest.mark.slow
def test_cloning_gives_human_choices_a_margin(schema):
    agent, batch = Agent(schema, CONFIG), random_batch(schema, 16)
    action = batch.action.clone()
    action[:, 3] = 1.0
    batch = replace(
        batch,
        action=action,
        human=torch.arange(16) < 8,
        reward=torch.zeros(16),
        discount=torch.zeros(16),
    )
    for _ in range(80):
        agent.update(batch, 0.1, bc=10.0)
    with torch.no_grad():
        q = agent.gripper(agent.encoder(batch.images), batch.state)[:8]
    assert (q[:, 2] - q[:, :2].amax(1)).min() > 0.5 * MARGIN


@pytest.mark.parametrize(
    'values, expected', [((0.9, 0.1, 0.2), -1.0), ((0.1, 0.9, 0.2), 0.0), ((0.1, 0.2, 0.9), 1.0)]
)
def test_the_bundle_makes_the_choice_with_the_highest_q(schema, values, expected):
    policy = Policy.from_bytes(packed(rigged(schema, values)), schema.hash)
    images, state = observation(np.random.default_rng(0), schema)
    action = policy.act(images, state, 0.0, None)
    assert action.shape == (4,) and action.dtype == np.float32 and action[3] == expected
    assert not np.isin(action[:3], (-1.0, 0.0, 1.0)).any()


def test_small_noise_keeps_the_choice_and_large_noise_explores_all(schema):
    policy = Policy.from_bytes(packed(rigged(schema, (0.9, 0.1, 0.2))))
    rng = np.random.default_rng(0)
    images, state = observation(rng, schema)
    chosen = {
        sigma: [float(policy.act(images, state, sigma, rng)[3]) for _ in range(100)]
        for sigma in (0.1, 1.0)
    }
    assert set(chosen[0.1]) == {-1.0} and set(chosen[1.0]) == {-1.0, 0.0, 1.0}


def test_a_bundle_without_its_gripper_is_refused(schema):
    data = packed(Agent(schema, CONFIG))
    assert Policy.from_bytes(repacked(data, lambda t: None)).gripper is not None
    with pytest.raises(CellError, match='gripper.q.0.weight is missing'):
        Policy.from_bytes(repacked(data, lambda t: t.pop('gripper.q.0.weight')))
    with pytest.raises(CellError, match='golden action is off'):
        Policy.from_bytes(
            repacked(data, lambda t: t.update({'gripper.q.6.bias': t['gripper.q.6.bias'] + 0.1}))
        )


def test_bundles_without_the_gripper_option_are_read(schema):
    bundle = Bundle.from_bytes(packed(Agent(schema, SMALL)))
    network = bundle.network.to_json().replace('"gripper": "continuous", ', '')
    assert 'gripper' not in network
    policy = Policy.from_bytes(
        safetensors.torch.save(
            bundle.tensors,
            metadata={
                'format': FORMAT,
                'schema': schema.canonical(),
                'network': network,
                'version': '3',
                'updates': '1',
                'env_steps': '1',
                'digest': tensors_digest(bundle.tensors),
            },
        )
    )
    assert policy.network == SMALL.network and policy.gripper is None
    with pytest.raises(CellError, match='gripper:=vacuum is not one of'):
        NetworkConfig(gripper='vacuum')


def test_resumed_training_is_bit_identical(schema, tmp_path):
    def train(agent, first):
        for number in range(first, first + 4):
            agent.update(random_batch(schema, number=number), 0.1, 0.3)

    straight, checkpoints = Agent(schema, CONFIG, seed=1), Checkpoints(tmp_path)
    train(straight, 0)
    checkpoints.save(Snapshot.of(straight), trainer_state(4))
    train(straight, 4)
    checkpoint = checkpoints.newest()[0]
    resumed = Agent(schema, checkpoint.config(AgentConfig), seed=9)
    restore(resumed, checkpoint)
    train(resumed, 4)
    ours, theirs = resumed.state(), straight.state()
    assert [n for n in theirs if not torch.equal(ours[n], theirs[n])] == []
    assert any(n.startswith('gripper_target.') for n in theirs)
    assert Policy.from_bytes(checkpoint.policy).network.gripper == 'discrete'


def test_a_pretrained_policy_includes_its_gripper(schema, tmp_path):
    (tmp_path / 'p').write_bytes(packed(rigged(schema, (0.1, 0.2, 0.9))))
    agent = Agent(schema, CONFIG, seed=7)
    adopt_policy(agent, tmp_path / 'p')
    for module in (agent.gripper, agent.gripper_target):
        assert module.q[-1].bias.tolist() == pytest.approx([0.1, 0.2, 0.9])
    with pytest.raises(CellError, match="gripper='discrete'"):
        adopt_policy(Agent(schema, SMALL), tmp_path / 'p')
