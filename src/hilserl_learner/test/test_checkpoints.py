"""Checkpoints: a resumed run continues exactly; damaged checkpoints are named and skipped."""

import json
import subprocess
import sys

from learner_support.numbered_steps import episode
from learner_support.trainer_states import trainer_state
import msgspec
import numpy as np
import pytest
import torch

from hilserl_core.policy.inference import Policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.checkpoints import (
    KEEP,
    Checkpoints,
    Snapshot,
    restore,
)
from hilserl_learner.verb.checkpoints import listing
from so101_node.errors import CellError

RNG = np.random.default_rng(0).bit_generator.state
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


def save(checkpoints, agent, updates, rng=None, **state):
    if rng:
        state['rng'] = rng.bit_generator.state
    return checkpoints.save(Snapshot.of(agent), trainer_state(updates, **state))


@pytest.mark.slow
def test_resumed_training_is_bit_identical(schema, replay, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    straight, rng = Agent(schema, CONFIG, seed=1), np.random.default_rng(1)
    train(straight, replay, rng, 6)
    save(checkpoints, straight, 6, rng)
    train(straight, replay, rng, 6)

    checkpoint, sentences = checkpoints.newest()
    resumed, rng = (
        Agent(schema, checkpoint.config(AgentConfig), seed=99),
        np.random.default_rng(99),
    )
    restore(resumed, checkpoint)
    rng.bit_generator.state = checkpoint.state.rng
    train(resumed, replay, rng, 6)
    ours, theirs = resumed.state(), straight.state()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert sentences == []


def test_everything_the_next_update_needs_is_in_a_checkpoint(schema, replay, tmp_path):
    agent = Agent(schema, CONFIG)
    train(agent, replay, np.random.default_rng(0), 1)
    names = agent.state().keys()
    for part, module in agent.modules().items():
        assert {f'{part}.{name}' for name, _ in module.named_parameters()} <= names
    trained = sum(1 for m in (agent.encoder, agent.critic, agent.actor) for _ in m.parameters())
    assert sum('exp_avg_sq' in name for name in names) == trained
    assert sum(name.endswith('.step') for name in names) == trained


@pytest.mark.parametrize('damage', ['cut', 'flip', 'gone', 'no state', 'bad state'])
def test_a_broken_checkpoint_is_named_and_the_one_before_is_used(schema, tmp_path, damage):
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
        file.write_bytes(data[: len(data) // 2])
    checkpoint, sentences = checkpoints.newest()
    assert checkpoint.directory.name == '5'
    assert len(sentences) == 1 and str(broken) in sentences[0]
    assert ('cannot be read' if damage == 'no state' else 'is damaged') in sentences[0]
    for path in (tmp_path / '5').iterdir():
        path.write_bytes(b'x')
    with pytest.raises(CellError, match='no undamaged checkpoint is left'):
        checkpoints.newest()
    assert (tmp_path / '5').exists() and broken.exists()


def _edited(**changes):
    return lambda text: json.dumps(json.loads(text) | changes)


DAMAGED_STATES = {
    'null': (lambda text: 'null', 'expected object, got null'),
    'a list': (lambda text: '[]', 'expected object, got array'),
    'a number': (lambda text: '5', 'expected object, got int'),
    'deep': (lambda text: '[' * 100_000, 'recursion depth'),
    'deep inside': (
        _edited(options=json.loads('[' * 900 + ']' * 900)),
        'options: expected object',
    ),
    'not UTF-8': (lambda text: b'\xff' + text.encode(), 'malformed'),
    'NaN': (lambda text: text.replace('"success": 0.0', '"success": NaN'), 'malformed'),
    'other format': (_edited(format='hilserl-checkpoint-2'), "'hilserl-checkpoint-2'"),
    'text for a number': (_edited(updates='10'), 'updates: expected int, got str'),
    'number for text': (_edited(agent_config=5), 'agent_config: expected str, got int'),
    'no numbers': (_edited(outcomes=[None]), 'outcomes[0]: expected bool, got null'),
    'no digests': (_edited(sha256={}), 'agent.safetensors'),
    'digests of another type': (_edited(sha256=['a']), 'sha256: expected object, got array'),
    'generator without state': (_edited(rng={}), 'rng: state must be for a PCG64'),
    'generator out of range': (
        _edited(rng={**RNG, 'state': {'state': 2**300, 'inc': 1}}),
        'rng: ',
    ),
    'field missing': (lambda text: text.replace('"credited"', '"x"'), 'field credited'),
}


@pytest.mark.parametrize('damage', DAMAGED_STATES)
def test_a_damaged_state_is_one_sentence_and_the_checkpoint_before_is_used(
    schema, tmp_path, damage
):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    save(checkpoints, agent, 5, success=0.5, success_episodes=20)
    file = save(checkpoints, agent, 10) / 'state.json'
    change, words = DAMAGED_STATES[damage]
    text = change(file.read_text())
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    checkpoint, (sentence,) = checkpoints.newest()
    assert checkpoint.directory.name == '5'
    assert str(file.parent) in sentence and 'is damaged: ' in sentence and words in sentence
    assert '\n' not in sentence and '`' not in sentence
    assert checkpoints.best() == '5'
    assert save(checkpoints, agent, 11).name == '11'


def test_the_list_shows_a_damaged_state_as_damaged(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    for updates, text in ((5, 'null'), (10, '{"updates": 10}')):
        (save(checkpoints, agent, updates) / 'state.json').write_text(text)
    save(checkpoints, agent, 15)
    cells = [list(column.cells) for column in listing(tmp_path).columns]
    assert cells[0] == ['5', '10', '15'] and cells[-1] == ['damaged', 'damaged', 'latest']


def test_the_last_ones_are_kept_and_linked_and_none_is_overwritten(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    for updates in (0, 2, 9, 10, 10, 11, 100):
        directory = save(checkpoints, agent, updates)
        assert (tmp_path / 'latest').resolve() == directory
    assert checkpoints.names() == ['9', '10', '10-2', '11', '100']
    assert len(checkpoints.names()) == KEEP
    assert Policy.from_bytes((tmp_path / 'latest' / 'policy.safetensors').read_bytes())
    assert checkpoints.newest()[0].state.updates == 100


def test_saving_again_and_again_without_an_update_keeps_the_newest(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    for _ in range(KEEP + 4):
        directory = save(checkpoints, agent, 1)
        assert (tmp_path / 'latest').resolve() == directory and directory.is_dir()
    assert checkpoints.newest()[0].directory == directory


def test_an_incomplete_save_is_not_a_checkpoint(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    save(checkpoints, agent, 5)
    (tmp_path / '.new-10').mkdir()
    (tmp_path / '.new-10' / 'agent.safetensors').write_bytes(b'half')
    (tmp_path / '.new-latest').symlink_to('5')
    again = Checkpoints(tmp_path)
    again.remove_incomplete()
    assert again.names() == ['5'] and not list(tmp_path.glob('.new*'))
    assert save(again, agent, 10).name == '10'


def test_an_empty_directory_has_none(tmp_path):
    assert Checkpoints(tmp_path).newest() == (None, [])


def test_the_best_and_one_of_each_interval_are_kept(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    success = {5: 1.0, 10: 0.6, 20: 0.6, 10_500: 0.2, 10_600: 0.3, 20_100: 0.1}
    for updates, share in success.items():
        # the first one has too few episodes to be the best
        save(
            checkpoints, agent, updates, success=share, success_episodes=3 if updates == 5 else 20
        )
    assert checkpoints.best() == '20' and (tmp_path / 'best').resolve().name == '20'
    for updates in range(20_200, 20_800, 100):
        save(checkpoints, agent, updates)
    assert checkpoints.names() == ['20', '10500', '20100', *map(str, range(20_300, 20_800, 100))]
    assert Policy.from_bytes((tmp_path / 'best' / 'policy.safetensors').read_bytes())


def test_a_snapshot_is_not_changed_by_later_updates(schema, replay, tmp_path):
    agent, rng = Agent(schema, CONFIG), np.random.default_rng(0)
    train(agent, replay, rng, 2)
    snapshot = Snapshot.of(agent)
    before = {name: value.clone() for name, value in snapshot.tensors.items()}
    train(agent, replay, rng, 2)
    assert all(torch.equal(value, snapshot.tensors[name]) for name, value in before.items())
    changed = agent.state()
    assert not torch.equal(
        before['encoder.cameras.0.0.weight'], changed['encoder.cameras.0.0.weight']
    )


KILLS = """
import os, pathlib, random, signal, sys, time
import msgspec
import torch
torch.set_num_threads(1)
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.training.checkpoint_state import TrainerState
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot
from hilserl_core.contract.tasks import make_task
state = msgspec.json.decode(sys.argv[2], type=TrainerState)
checkpoints = Checkpoints(pathlib.Path(sys.argv[1]))
snapshot = Snapshot.of(Agent(make_task('grasp_lift', 'test-model')))
updates, torn = 0, 0
for kill in range(20):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        while True:
            updates += 1
            checkpoints.save(snapshot, msgspec.structs.replace(state, updates=updates))
            os.write(write, updates.to_bytes(4, 'big'))
    os.close(write)
    last = int.from_bytes(os.read(read, 4), 'big')
    while not list(checkpoints.directory.glob('.new-*')):   # until the next one is written
        pass
    time.sleep(random.Random(kill).uniform(0.0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(read, 4):
        last = int.from_bytes(data, 'big')
    os.close(read)
    torn += bool(list(checkpoints.directory.glob('.new-*')))
    checkpoints.remove_incomplete()
    newest, sentences = checkpoints.newest()
    assert sentences == [] and newest.state.updates in (last, last + 1), (sentences, last)
    updates = newest.state.updates
print(torn)
"""


@pytest.mark.slow
def test_after_twenty_kills_during_a_save_the_last_checkpoint_is_undamaged(tmp_path):
    state = json.dumps(msgspec.structs.asdict(trainer_state(0)))
    ended = subprocess.run(
        [sys.executable, '-c', KILLS, str(tmp_path), state],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 3  # that many kills did fall into a save


@pytest.mark.slow
def test_the_list_shows_all_checkpoints_and_changes_no_file(schema, tmp_path):
    directory = tmp_path / 'lift' / 'checkpoints'
    directory.mkdir(parents=True)
    checkpoints, agent = Checkpoints(directory), Agent(schema, CONFIG)
    for updates in (100, 200, 300):
        save(checkpoints, agent, updates, success=updates / 400, success_episodes=20, episodes=7)
    (directory / '100' / 'state.json').write_text('{')
    (directory / '.new-400').mkdir()  # a running learner's
    command = [sys.executable, '-m', 'so101_node.verb', 'checkpoints', 'lift', '--runs-dir']
    shown = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=60
    ).stdout
    rows = {line.split('│')[1].strip(): line for line in shown.splitlines() if '│' in line}
    assert 'damaged' in rows['100'] and '0.50' in rows['200']
    assert 'latest best' in rows['300'] and '0.75' in rows['300']
    assert (directory / '.new-400').is_dir()
    ended = subprocess.run([*command, '/nowhere'], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and 'there is no run lift' in ended.stderr


def test_a_checkpoint_with_weights_that_are_not_finite_is_named_and_not_used(schema, tmp_path):
    checkpoints, agent = Checkpoints(tmp_path), Agent(schema, CONFIG)
    save(checkpoints, agent, 5)
    agent.critic.q1[0].bias.data[0] = float('nan')
    for updates in (10, 15):
        save(checkpoints, agent, updates)
    checkpoint, sentences = checkpoints.newest()
    assert checkpoint.directory.name == '5'
    assert len(sentences) == 2
    assert '1 of its tensors are not finite, first critic.q1.0.bias' in sentences[0]
