"""DrQ-v2: one update, against a plain transcription of the paper's equations."""

import copy
from dataclasses import replace

from core_support import record
from learner_support.small_agent import SMALL, parameters, random_batch
from learner_support.trainer_states import trainer_state
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hilserl_core.policy.bundle import pack
from hilserl_core.policy.inference import Policy
from hilserl_learner.agent import drqv2 as agent_module
from hilserl_learner.agent.augmentation import random_shift
from hilserl_learner.agent.config import ALGORITHMS, AgentConfig, agent_config
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.checkpoints import (
    Checkpoints,
    Snapshot,
    load,
    restore,
)
from hilserl_learner.training.warm_start import adopt_policy
from so101_node.errors import CellError


@pytest.mark.slow
def test_every_parameter_moves_in_one_update(schema):
    agent = Agent(schema, replace(SMALL, conv_dtype='bfloat16'))
    before = parameters(agent)
    agent.update(random_batch(schema), 0.1)
    after = parameters(agent)
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def transcription(agent, batch, sigma):
    """Losses, gradients and target of the paper's equations, plainly, in float32."""
    config = agent.config
    generator = torch.Generator()
    generator.set_state(agent.generator.get_state())
    encoder, actor = copy.deepcopy(agent.encoder), copy.deepcopy(agent.actor)
    critic, target_critic = copy.deepcopy(agent.critic), copy.deepcopy(agent.critic_target)

    def augment(images):
        # pad by repeating the edge, then cut out one window an image
        shifts = torch.randint(-4, 5, (2, len(images), 1), generator=generator)
        pixels = images.permute(0, 3, 1, 2).float()
        padded = F.pad(pixels, (4, 4, 4, 4), mode='replicate')
        return torch.stack(
            [
                image[:, 4 + dy : 68 + dy, 4 + dx : 68 + dx]
                for image, dy, dx in zip(padded, shifts[0, :, 0], shifts[1, :, 0])
            ]
        )

    def encode(pixels):
        # features lie as in memory: channels last
        maps = encoder.cameras[0](pixels / 255 - 0.5)
        return maps.permute(0, 2, 3, 1).reshape(len(pixels), -1)

    def smoothed(mean):
        noise = torch.empty_like(mean).normal_(generator=generator) * sigma
        value = mean + noise.clamp(-0.3, 0.3)
        return value + (value.clamp(-1 + 1e-6, 1 - 1e-6) - value).detach()

    h = encode(augment(batch.images[0]))
    with torch.no_grad():
        next_h = encode(augment(batch.next_images[0]))
        next_action = smoothed(actor(next_h, batch.next_state))
        value = torch.min(*target_critic(next_h, batch.next_state, next_action))[:, 0]
        y = (batch.reward + batch.discount * value).clamp(config.target_low, config.target_high)
    q1, q2 = critic(h, batch.state, batch.action)
    critic_loss = ((q1[:, 0] - y) ** 2).mean() + ((q2[:, 0] - y) ** 2).mean()
    critic_loss.backward()
    critic_gradients = {
        f'{part}.{name}': p.grad.clone()
        for part, module in (('encoder', encoder), ('critic', critic))
        for name, p in module.named_parameters()
    }
    # Adam's first step of all moves each weight by the rate against the gradient's sign
    with torch.no_grad():
        for module in (encoder, critic):
            for p in module.parameters():
                p -= config.learning_rate * p.grad / (p.grad.abs() + 1e-8)
    action = smoothed(actor(h.detach(), batch.state))
    actor_loss = -torch.min(*critic(h.detach(), batch.state, action)).mean()
    actor.zero_grad()
    actor_loss.backward()
    actor_gradients = {f'actor.{name}': p.grad for name, p in actor.named_parameters()}
    target = {
        f'critic_target.{name}': 0.99 * old + 0.01 * new
        for (name, old), new in zip(target_critic.named_parameters(), critic.parameters())
    }
    weights = {
        f'{part}.{name}': p
        for part, module in (('encoder', encoder), ('critic', critic))
        for name, p in module.named_parameters()
    }
    return critic_loss, actor_loss, critic_gradients | actor_gradients, weights | target


PUBLISHED = replace(ALGORITHMS['drqv2'], conv_dtype='float32', head_dtype='float32')


@pytest.mark.slow
@pytest.mark.parametrize(
    'config',
    [SMALL, replace(SMALL, target_low=-1e9, target_high=1e9), PUBLISHED],
    ids=['cell', 'unbounded', 'drqv2'],
)
def test_losses_gradients_and_target_equal_the_papers_equations(schema, config):
    agent = Agent(schema, config, seed=3)
    with torch.no_grad():  # target and online critic differ, as they do in training
        for p in agent.critic_target.parameters():
            p.mul_(1.1)
    batch = random_batch(schema, stack=config.network.frame_stack)
    critic_loss, actor_loss, gradients, weights = transcription(agent, batch, 0.2)
    metrics = agent.update(batch, 0.2)
    assert float(metrics['critic_loss']) == pytest.approx(critic_loss.item(), abs=1e-5)
    assert float(metrics['actor_loss']) == pytest.approx(actor_loss.item(), abs=1e-5)
    for name, gradient in gradients.items():
        part, _, path = name.partition('.')
        ours = agent.modules()[part].get_parameter(path).grad
        torch.testing.assert_close(ours, gradient, atol=1e-5, rtol=1e-4, msg=name)
    for name, expected in weights.items():
        part, _, path = name.partition('.')
        ours = agent.modules()[part].get_parameter(path)
        difference = (ours - expected).detach().abs()
        # where a gradient is nearly 0, the sign of its rounding decides Adam's first step
        settled = gradients.get(name, torch.ones(1)).abs() > 1e-6
        assert float((difference * settled).max()) < 1e-5, name


def test_target_is_the_reward_alone_only_where_the_discount_is_zero(schema):
    agent = Agent(schema, replace(SMALL, target_low=-1e9, target_high=1e9))
    with torch.no_grad():
        for q in (agent.critic_target.q1, agent.critic_target.q2):
            q[-1].bias.fill_(50.0)
    batch = random_batch(schema)
    terminal = replace(batch, discount=torch.zeros(8))
    assert float(agent.update(terminal, 0.1)['target_mean']) == pytest.approx(
        float(batch.reward.mean()), abs=1e-6
    )
    assert float(agent.update(batch, 0.1)['target_mean']) > 20.0


def test_targets_are_clipped_to_the_possible_returns(schema):
    agent = Agent(schema, SMALL)
    with torch.no_grad():
        for q in (agent.critic_target.q1, agent.critic_target.q2):
            q[-1].bias.fill_(50.0)
    batch = replace(random_batch(schema), discount=torch.ones(8))
    assert float(agent.update(batch, 0.1)['target_mean']) == 1.0


def test_the_same_seed_gives_the_same_weights(schema):
    first, second, other = (Agent(schema, SMALL, seed=s) for s in (1, 1, 2))
    for agent in (first, second, other):
        for i in range(3):
            agent.update(random_batch(schema, number=i), 0.1)
    a, b, c = map(parameters, (first, second, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_making_an_agent_does_not_use_the_global_generator(schema):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Agent(schema, SMALL)
    assert torch.equal(torch.rand(3), expected)


def test_shift_is_a_window_of_the_edge_padded_image():
    images = torch.randint(0, 256, (40, 12, 10, 3), dtype=torch.uint8)
    shifted = random_shift(images, 3, torch.Generator().manual_seed(0))
    padded = F.pad(images.permute(0, 3, 1, 2).float(), (3, 3, 3, 3), mode='replicate').permute(
        0, 2, 3, 1
    )
    offsets = set()
    for image, wide in zip(shifted, padded):
        matches = [
            (dy, dx)
            for dy in range(7)
            for dx in range(7)
            if torch.equal(image.float(), wide[dy : dy + 12, dx : dx + 10])
        ]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert {dy for dy, _ in offsets} == set(range(7)) == {dx for _, dx in offsets}


@pytest.mark.slow
def test_an_agent_fits_one_batch(schema):
    agent = Agent(schema, SMALL)
    batch = replace(random_batch(schema, 16), discount=torch.zeros(16))
    losses = [float(agent.update(batch, 0.1)['critic_loss']) for _ in range(80)]
    assert losses[-1] < 0.1 * losses[0]


def test_configuration_survives_json_and_refuses_another_version():
    assert AgentConfig.from_json(SMALL.to_json()) == SMALL
    for text in ('[]', 'x', SMALL.to_json().replace('"tau"', '"tauu"')):
        with pytest.raises(CellError, match='not of this version'):
            AgentConfig.from_json(text)


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has the device')
def test_cuda_without_cuda_is_one_sentence(schema):
    with pytest.raises(CellError, match='device is cuda'):
        Agent(schema, device='cuda')


def test_the_published_configuration_is_the_papers():
    config = ALGORITHMS['drqv2']
    network = config.network
    assert (config.learning_rate, config.tau, config.discount, config.n_step) == (
        1e-4,
        0.01,
        0.99,
        3,
    )
    assert (config.noise_clip, config.shift, config.bc) == (0.3, 4, '0')
    assert (network.strides, network.channels, network.bottleneck, network.hidden) == (
        (2, 1, 1, 1),
        32,
        50,
        1024,
    )
    assert (network.frame_stack, network.critics, network.critic_layer_norm) == (3, 2, False)
    assert config.target_low <= -1e6 and config.target_high >= 1e6


def test_parameter_counts_are_the_published_ones(schema):
    camera = replace(schema.cameras[0], out_height=84, out_width=84)
    agent = Agent(replace(schema, cameras=(camera,)), ALGORITHMS['drqv2'])
    counts = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in agent.modules().items()
    }
    states = 19 * 1024  # what proprioception adds to each first layer
    assert counts['encoder'] == 30_368
    assert counts['actor'] == 3_066_074 + states
    assert counts['critic'] == 4_174_040 + 2 * states


@pytest.mark.parametrize(
    'text, name, value',
    [
        ('discount=0.9', 'discount', 0.9),
        ('critic_layer_norm=true', 'critic_layer_norm', True),
        ('frame_stack=4 critics=5', 'critics', 5),
        ('strides=2,2,2,1', 'strides', (2, 2, 2, 1)),
        ('bc=linear(1,0,500)', 'bc', 'linear(1,0,500)'),
        ('n_step=1', 'n_step', 1),
    ],
)
def test_an_option_changes_only_its_own_number(text, name, value):
    changed, published = agent_config('drqv2', text), ALGORITHMS['drqv2']
    lines = published.differences(changed)
    assert any(line.endswith(f'{value} there') and line.startswith(name) for line in lines)
    assert len(lines) == len(text.split())


@pytest.mark.parametrize(
    'algorithm, text, words',
    [
        ('ppo', '', "algorithm is 'ppo'; it is one of cell, drqv2, sac, or package.module:Class"),
        ('cell', 'discont=0.9', 'is not NAME=VALUE with one of'),
        ('cell', 'discount', 'is not NAME=VALUE'),
        ('cell', 'discount=1.5', 'discount=1.5 is out of range: 0 to 1'),
        ('cell', 'frame_stack=9', 'frame_stack=9 is out of range: 1 to 4'),
        ('cell', 'critics=two', 'critics=two is not a whole number'),
        ('cell', 'conv_dtype=int8', 'is not one of bfloat16, float32'),
        ('cell', 'bc=much', "bc 'much' is neither"),
    ],
)
def test_a_wrong_option_is_one_sentence(algorithm, text, words):
    with pytest.raises(CellError, match=words):
        agent_config(algorithm, text)


def test_options_missing_in_older_json_have_their_defaults():
    text = SMALL.to_json().replace(', "critics": 2', '').replace('"bc_encoder": true, ', '')
    assert 'critics' not in text and 'bc_encoder' not in text
    assert AgentConfig.from_json(text) == SMALL


@pytest.mark.slow
def test_a_batch_in_pieces_gives_the_same_gradients(schema, monkeypatch):
    whole, pieces = Agent(schema, SMALL, seed=1), Agent(schema, SMALL, seed=1)
    batch = random_batch(schema, 10)
    expected = whole.update(batch, 0.1, detailed=True)
    monkeypatch.setattr(agent_module, 'MICRO_BATCH', 4)
    metrics = pieces.update(batch, 0.1, detailed=True)
    assert metrics.keys() == expected.keys()
    for name in metrics:
        torch.testing.assert_close(metrics[name], expected[name], atol=1e-5, rtol=1e-4)
    for a, b in zip(
        *(
            list(agent.critic.parameters()) + list(agent.encoder.parameters())
            for agent in (whole, pieces)
        )
    ):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
def test_cloning_uses_only_human_actions(schema):
    batch = replace(random_batch(schema, 16), human=torch.arange(16) < 8)
    agent = Agent(schema, SMALL)

    @torch.no_grad()
    def error(which):
        mean = agent.actor(agent.encoder(batch.images), batch.state)
        return float((mean - batch.action)[which].square().mean())

    before = error(batch.human), error(~batch.human)
    for _ in range(60):
        metrics = agent.update(batch, 0.05, bc=100.0)
    assert error(batch.human) < 0.3 * before[0] and error(~batch.human) > 0.5 * before[1]
    without_human = agent.update(
        replace(batch, human=torch.zeros(16, dtype=torch.bool)), 0.05, bc=1.0
    )
    assert float(without_human['bc_loss']) == 0.0 < float(metrics['bc_loss'])


def test_a_frozen_encoder_does_not_change_and_the_rest_learns(schema):
    agent = Agent(schema, replace(SMALL, freeze_encoder=True))
    before = parameters(agent)
    agent.update(random_batch(schema), 0.1)
    still = {n for n, p in parameters(agent).items() if torch.equal(p, before[n])}
    assert still == {n for n in before if n.startswith('encoder.')}


def test_critic_only_update_keeps_encoder_and_actor(schema):
    agent = Agent(schema, SMALL)
    agent.update(random_batch(schema), 0.1)
    before = parameters(agent)
    agent.update(random_batch(schema, number=1), 0.1, detailed=True, critic_only=True)
    after = parameters(agent)
    assert {
        name.partition('.')[0] for name in before if not torch.equal(before[name], after[name])
    } == {'critic', 'critic_target'}
    agent.update(random_batch(schema), 0.1)
    assert not torch.equal(
        parameters(agent)['encoder.cameras.0.0.weight'], before['encoder.cameras.0.0.weight']
    )


def test_the_ema_policy_is_an_average_of_the_online_policy_and_is_what_is_saved(schema, tmp_path):
    agent = Agent(schema, replace(SMALL, ema_tau='linear(1,0.25,100)'))
    name = 'policy.0.weight'
    expected = agent.actor.state_dict()[name].clone()
    for number in range(3):
        agent.update(random_batch(schema, number=number), 0.1)
        agent.update_ema(0.25)
        expected.lerp_(agent.actor.state_dict()[name], 0.25)
    torch.testing.assert_close(agent.ema_policy['actor'].state_dict()[name], expected)
    assert not torch.equal(agent.actor.state_dict()[name], expected)
    checkpoint = load(
        Checkpoints(tmp_path).save(Snapshot.of(agent), trainer_state(3, env_steps=9))
    )
    assert torch.equal(
        Policy.from_bytes(checkpoint.policy).actor.state_dict()[name],
        agent.ema_policy['actor'].state_dict()[name],
    )
    resumed = Agent(schema, checkpoint.config(AgentConfig), seed=9)
    restore(resumed, checkpoint)
    for one in (agent, resumed):
        one.update(random_batch(schema, number=4), 0.1)
        one.update_ema(0.5)
    ours, theirs = resumed.state(), agent.state()
    assert [n for n in theirs if not torch.equal(ours[n], theirs[n])] == []
    assert 'ema_encoder.cameras.0.0.weight' in theirs
    (tmp_path / 'p').write_bytes(checkpoint.policy)
    other = Agent(schema, checkpoint.config(AgentConfig), seed=5)
    adopt_policy(other, tmp_path / 'p')
    assert torch.equal(
        other.ema_policy['actor'].state_dict()[name], other.actor.state_dict()[name]
    )


def test_each_camera_has_its_own_convolutions(schema):
    one = schema.cameras[0]
    two = replace(schema, cameras=(one, replace(one, name='side', out_height=48)))
    agent = Agent(two, SMALL)
    batch = random_batch(two)
    side = torch.randint(0, 256, (8, 48, 64, 6), dtype=torch.uint8)
    batch = replace(batch, images=(*batch.images, side), next_images=(*batch.next_images, side))
    before = parameters(agent)
    agent.update(batch, 0.1)
    after = parameters(agent)
    assert [n for n in before if torch.equal(before[n], after[n])] == []


class Waits(TorchDispatchMode):
    """Counts operations that bring a number from the device to the processor."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += function in (
            torch.ops.aten._local_scalar_dense.default,
            torch.ops.aten.is_nonzero.default,
            torch.ops.aten.nonzero.default,
            torch.ops.aten.equal.default,
        )
        return function(*arguments, **(options or {}))


def test_an_update_never_waits_for_the_device(schema):
    agent = Agent(schema, SMALL)
    with Waits() as waits:
        metrics = agent.update(random_batch(schema), 0.1, bc=0.5, detailed=True)
        assert waits.count == 0
        float(metrics['critic_loss'])
    assert waits.count == 1


@pytest.mark.slow
def test_half_precision_is_close_to_float32(schema):
    exact, half = (
        Agent(schema, replace(PUBLISHED, conv_dtype=d, head_dtype=d), seed=2)
        for d in ('float32', 'bfloat16')
    )
    batch = random_batch(schema, 16, stack=3)
    a, b = exact.update(batch, 0.1), half.update(batch, 0.1)
    for name in ('critic_loss', 'actor_loss', 'target_mean'):
        assert float(b[name]) == pytest.approx(float(a[name]), rel=0.02, abs=0.01), name


@pytest.mark.slow
@pytest.mark.parametrize('side', [32, 84, 256])
@pytest.mark.parametrize('algorithm, stack', [('cell', 1), ('cell', 4), ('drqv2', 3)])
def test_every_image_size_and_stack_learns_and_acts(schema, side, algorithm, stack):
    camera = replace(schema.cameras[0], out_height=side, out_width=side)
    schema = replace(schema, cameras=(camera,))
    agent = Agent(schema, agent_config(algorithm, f'frame_stack={stack} hidden=32'))
    image = torch.randint(0, 256, (2, side, side, 3 * stack), dtype=torch.uint8)
    batch = replace(random_batch(schema, 2), images=(image,), next_images=(image.flip(0),))
    before = parameters(agent)
    agent.update(batch, 0.1)
    after = parameters(agent)
    assert [n for n in before if torch.equal(before[n], after[n])] == []
    policy = Policy.from_bytes(
        pack(schema, agent.config.network, agent.encoder, agent.actor, 1, 1, 0)
    )
    action = policy.act([np.zeros((side, side, 3), np.uint8)], np.zeros(19), 0.0, None)
    assert action.shape == (4,) and np.abs(action).max() < 1.0


def test_two_cameras_from_the_replay_to_the_policy(schema):
    """Each keeps its own pixels all the way; with a stack, and of another size."""
    one = schema.cameras[0]
    schema = replace(schema, cameras=(one, replace(one, name='side', out_height=48)))
    replay = Replay(schema, 60, frame_stack=2)
    rng = np.random.default_rng(0)
    for i in range(30):
        images = tuple(
            np.full(camera.shape, base + i, np.uint8)
            for base, camera in zip((0, 100), schema.cameras)
        )
        step = record(
            schema,
            i,
            'e',
            last=i == 29,
            images=images,
            cameras=('wrist_camera', 'side'),
            image_stamps=(0, 0),
            schema_hash=schema.hash,
        )
        assert replay.add(step) == ''
    batch = replay.sample(16, False, rng)
    wrist, side = (image.numpy() for image in batch.images)
    assert wrist.shape == (16, 64, 64, 6) and side.shape == (16, 48, 64, 6)
    assert (side[:, 0, 0] == wrist[:, 0, 0] + 100).all()
    agent = Agent(schema, SMALL)
    metrics = agent.update(batch, 0.1)
    assert np.isfinite(float(metrics['critic_loss']))
    policy = Policy.from_bytes(
        pack(schema, SMALL.network, agent.encoder, agent.actor, 1, 1, 0, half=True), schema.hash
    )
    frames = [rng.integers(0, 256, camera.shape, np.uint8) for camera in schema.cameras]
    first = policy.act(frames, np.zeros(19), 0.0, None)
    policy.reset()
    darker = policy.act([frames[0], frames[1] // 2], np.zeros(19), 0.0, None)
    assert not np.allclose(first, darker, atol=1e-6)  # the policy uses the second camera
