"""Checkpoints: a resumed run is the run; what is broken is named and not used."""
from hilserl_learner.agent import Agent
from hilserl_learner.algorithm import AgentConfig
from hilserl_learner.checkpoints import agent_tensors, Checkpoints, KEEP, restore
from hilserl_learner.networks import NetworkConfig
from hilserl_learner.policy import pack, Policy
from hilserl_learner.replay import Replay
import numpy as np
import pytest
from so101_description.errors import CellError
from test_replay import episode
import torch

CONFIG = AgentConfig(network=NetworkConfig(hidden=32))


@pytest.fixture(scope='module')
def replay(schema):
    replay = Replay(schema, 200)
    rng = np.random.default_rng(0)
    for number in range(3):
        for step in episode(schema, f'e{number}', 15, terminated=True):
            step.images[0][:] = rng.integers(0, 256, step.images[0].shape, np.uint8)
            step.state[:] = rng.normal(size=19) * 0.2
            assert replay.add(step) == ''
    return replay


def train(agent, replay, rng, count):
    for _ in range(count):
        agent.update(replay.sample_half(16, rng), 0.1)


def save(checkpoints, agent, updates, rng=None):
    bundle = pack(
        agent.schema, agent.config.network, agent.encoder, agent.actor, 1, updates, 0)
    state = {'updates': updates, 'rng': rng.bit_generator.state if rng else {}}
    return checkpoints.save(agent, bundle, state)


def test_resumed_training_is_bit_identical(schema, replay, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    straight, rng = Agent(schema, CONFIG, seed=1), np.random.default_rng(1)
    train(straight, replay, rng, 6)
    save(checkpoints, straight, 6, rng)
    train(straight, replay, rng, 6)

    checkpoint, sentences = checkpoints.newest()
    resumed, rng = Agent(schema, checkpoint.config, seed=99), np.random.default_rng(99)
    restore(resumed, checkpoint)
    rng.bit_generator.state = checkpoint.state['rng']
    train(resumed, replay, rng, 6)
    ours, theirs = agent_tensors(resumed), agent_tensors(straight)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert sentences == []


def test_everything_the_next_update_needs_is_in_a_checkpoint(schema, replay, tmp_path):
    agent = Agent(schema, CONFIG)
    train(agent, replay, np.random.default_rng(0), 1)
    names = agent_tensors(agent).keys()
    for part, module in agent.modules().items():
        assert {f'{part}.{name}' for name, _ in module.named_parameters()} <= names
    trained = sum(1 for m in (agent.encoder, agent.critic, agent.actor) for _ in m.parameters())
    assert sum('exp_avg_sq' in name for name in names) == trained
    assert sum(name.endswith('.step') for name in names) == trained


@pytest.mark.parametrize('damage', ['cut', 'flip', 'gone', 'no state', 'bad state'])
def test_a_broken_checkpoint_is_named_and_the_one_before_is_used(
        schema, tmp_path, damage):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    save(checkpoints, agent, 5)
    broken = save(checkpoints, agent, 10)
    file = broken / ('state.json' if 'state' in damage else 'agent.safetensors')
    data = file.read_bytes()
    if damage in ('gone', 'no state'):
        file.unlink()
    elif damage == 'flip':
        file.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    else:
        file.write_bytes(data[:len(data) // 2])
    checkpoint, sentences = checkpoints.newest()
    assert checkpoint.directory.name == '5'
    assert len(sentences) == 1 and str(broken) in sentences[0] and 'damaged' in sentences[0]
    for path in (tmp_path / '5').iterdir():
        path.write_bytes(b'x')
    with pytest.raises(CellError, match='no whole checkpoint is left'):
        checkpoints.newest()
    assert (tmp_path / '5').exists() and broken.exists()


def test_the_last_ones_are_kept_and_linked_and_none_is_overwritten(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    for updates in (0, 2, 9, 10, 10, 11, 100):
        directory = save(checkpoints, agent, updates)
        assert (tmp_path / 'latest').resolve() == directory
    assert checkpoints.names() == ['9', '10', '10-2', '11', '100']
    assert len(checkpoints.names()) == KEEP
    assert Policy.from_bytes((tmp_path / 'latest' / 'policy.safetensors').read_bytes())
    assert checkpoints.newest()[0].state['updates'] == 100


def test_saving_again_and_again_without_an_update_keeps_the_newest(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    for _ in range(KEEP + 4):
        directory = save(checkpoints, agent, 1)
        assert (tmp_path / 'latest').resolve() == directory and directory.is_dir()
    assert checkpoints.newest()[0].directory == directory


def test_what_a_killed_save_left_is_not_a_checkpoint(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    save(checkpoints, agent, 5)
    (tmp_path / '.new-10').mkdir()
    (tmp_path / '.new-10' / 'agent.safetensors').write_bytes(b'half')
    again = Checkpoints(tmp_path)
    assert again.names() == ['5'] and not (tmp_path / '.new-10').exists()
    assert save(again, agent, 10).name == '10'


def test_an_empty_directory_has_none(tmp_path):
    assert Checkpoints(tmp_path).newest() == (None, [])
