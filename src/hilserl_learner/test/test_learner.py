"""The learner without ROS: pacing, resume, demonstrations, refusals, failure."""

from dataclasses import replace
import shutil
import threading
import time

from learner_support.running_learner import OPTIONS, Cell, episode
from learner_support.small_disk import mounted
from learner_support.trainer_states import trainer_state
import numpy as np
import pytest
import torch

from hilserl_core.bags.episode_bag import EpisodeBag, open_bags
from hilserl_core.contract.steps import Outcome, Source
from hilserl_core.policy.inference import Policy
from hilserl_learner.agent.config import ALGORITHMS, AgentConfig
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.replay.prefetch import Batches
from hilserl_learner.training import learner as learner_module
from hilserl_learner.training.checkpoint_writer import CheckpointWriter
from hilserl_learner.training.checkpoints import Checkpoints, restore
from hilserl_learner.training.learner import Learner
from hilserl_learner.training.metrics import NotFinite, UpdateMetrics
from hilserl_learner.training.update_pacer import Pacer
from so101_node.errors import CellError

pytestmark = pytest.mark.slow  # it learns


@pytest.fixture
def demos(schema, tmp_path):
    for name in ('d1', 'd2'):
        bag = EpisodeBag(tmp_path / 'demos' / name, schema, 1)
        for step in episode(schema, name):
            bag.write(step)
        bag.close()
    return tmp_path / 'demos'


def test_pacer_keeps_to_its_ratio():
    for ratio in (0.0, 0.3, 1.0, 2.5):
        pacer = Pacer(ratio)
        for _ in range(1000):
            pacer.credited += 1
            while pacer.due():
                pacer.updates += 1
        assert pacer.achieved == pytest.approx(ratio, abs=0.002)


def test_a_run_trains_publishes_saves_and_is_resumed(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    assert [a[1] for a in cell.published] == [1]
    assert Policy.from_bytes(cell.published[0][0], schema.hash).version == 1
    for i in range(6):
        cell.feed(*episode(schema, f'e{i}'))
    learner = cell.learner
    cell.wait(lambda: learner.trainer.updates == learner.trainer.pacer.credited > 25)
    cell.wait(lambda: cell.published[-1][2] == learner.trainer.updates)
    assert (
        learner.trainer.env_steps == 48
        and learner.trainer.episodes == 6
        and learner.state == 'TRAINING'
    )
    cell.close()
    assert learner.trainer.pacer.achieved == 1.0
    assert not cell.errors and len(open_bags(tmp_path / 'run' / 'bags')) == 6
    assert (tmp_path / 'run' / 'checkpoints' / 'latest' / 'policy.safetensors').is_file()
    assert list((tmp_path / 'run' / 'tensorboard').iterdir())
    last = Policy.from_bytes(cell.published[-1][0])

    again = Cell(schema, tmp_path / 'run')
    sentence = [s for s in again.logged if s.startswith('resumed')]
    assert sentence == [
        f'resumed run run: {learner.trainer.updates} updates, 48 steps, 6 episodes, version '
        f'{learner.trainer.version}, from checkpoints/{learner.trainer.updates} and 6 bags'
    ]
    resumed = Policy.from_bytes(again.published[0][0])
    assert resumed.version == learner.trainer.version + 1
    images, state = [np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32)
    assert np.array_equal(
        resumed.act(images, state, 0.0, None), last.act(images, state, 0.0, None)
    )
    assert len(again.learner.trainer.replay) == len(learner.trainer.replay) == 48
    again.feed(*episode(schema, 'later'))
    again.wait(lambda: again.learner.trainer.updates == learner.trainer.updates + 8)
    again.close()


def test_a_policy_published_just_before_a_kill_is_older_than_the_next_one(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(schema, 'a'), *episode(schema, 'b'))
    cell.wait(lambda: len(cell.published) > 1)
    published = cell.published[-1][1]
    shutil.copytree(tmp_path / 'run', tmp_path / 'killed')  # as it is at this moment
    cell.close()
    again = Cell(schema, tmp_path / 'killed')
    assert again.published[0][1] > published
    again.close()


def test_steps_newer_than_the_checkpoint_are_logged_and_learned(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.trainer.updates == cell.learner.trainer.pacer.credited > 5)
    cell.close()
    bag = EpisodeBag(tmp_path / 'run' / 'bags' / 'b', schema, 1)
    for step in episode(schema, 'b', 12, policy_version=77):
        bag.write(step)
    bag.close()
    again = Cell(schema, tmp_path / 'run')
    assert any('the checkpoint counts 20 steps, the bags contain 32' in s for s in again.logged)
    assert again.published[0][1] == 78
    again.wait(lambda: again.learner.trainer.updates == cell.learner.trainer.updates + 12)
    again.close()


def test_human_steps_of_demonstrations_are_prior_and_stay_apart_from_the_runs_steps(
    schema, tmp_path, demos
):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, start='demos', demos=(str(demos),)))
    replay = cell.learner.trainer.replay
    assert (len(replay), replay.prior_size) == (16, 8)  # half of the steps are a human's
    assert cell.learner.trainer.env_steps == 0
    assert any('16 steps from 2 bags' in s for s in cell.logged)
    cell.close()
    assert open_bags(tmp_path / 'run' / 'bags') == []


def test_wrong_demonstrations_are_one_sentence(schema, tmp_path, demos):
    def start(directory, **options):
        return Learner(schema, tmp_path / 'run', replace(OPTIONS, **options), None, print)

    with pytest.raises(CellError, match='there is no complete bag'):
        start(demos, start='demos', demos=(str(tmp_path / 'nowhere'),))
    with pytest.raises(CellError, match='start:=demos needs demos:='):
        start(demos, start='demos')
    other = replace(schema, action_scale=0.03)
    bag = EpisodeBag(demos / 'd3', other, 1)
    bag.write(episode(other, 'd3')[0])
    bag.close()
    with pytest.raises(CellError, match='action_scale: 0.02 here, 0.03 there'):
        start(demos, start='demos', demos=(str(demos),))
    assert not (tmp_path / 'run' / 'run.yaml').exists()


def test_zero_action_demonstrations_are_refused(schema, tmp_path):
    bag = EpisodeBag(tmp_path / 'demos' / 'zero', schema, 1)
    for step in episode(schema, 'zero'):
        step.action[:] = 0.0
        bag.write(step)
    bag.close()
    options = replace(OPTIONS, start='demos', demos=(str(tmp_path / 'demos'),))
    with pytest.raises(CellError, match='zero cannot be learned from: .*add up to 0 mm'):
        Learner(schema, tmp_path / 'run', options, None, print)


def test_discarded_and_zero_action_episodes_are_kept_in_bags_and_not_learned(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1000))
    cell.feed(*episode(schema, 'good'))
    cell.feed(*episode(schema, 'discarded', outcome=Outcome.DISCARDED))
    zero = episode(schema, 'zero')
    for step in zero:
        step.action[:] = 0.0
    cell.feed(*zero)
    cell.wait(lambda: any('episode zero is not in the replay' in s for s in cell.logged))
    assert len(cell.learner.trainer.replay) == 8
    cell.close()
    assert len(open_bags(tmp_path / 'run' / 'bags')) == 3
    again = Cell(schema, tmp_path / 'run')
    assert len(again.learner.trainer.replay) == 8 and again.learner.trainer.env_steps == 24
    again.close()


def test_steps_of_another_schema_are_counted_and_not_stored(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(replace(schema, rate=20.0), 'foreign'))
    cell.wait(lambda: cell.learner.trainer.replay.rejected == 9)
    assert any('its schema is' in sentence for sentence in cell.logged)
    cell.close()
    assert open_bags(tmp_path / 'run' / 'bags') == []


def test_the_state_says_what_the_learner_does(schema, tmp_path, demos):
    def states(name, **options):  # at the start, after steps, after a pause
        told = []
        options = replace(OPTIONS, **options)
        learner = Learner(schema, tmp_path / name, options, lambda *_: None, told.append)
        found = [learner.state]
        for step in [*episode(schema, 'e'), *episode(schema, 'f'), *episode(schema, 'g')]:
            learner.trainer.add(step)
        found.append(learner.state)
        learner.pause(True)
        found.append(learner.state)
        learner.close(None, None)
        return tuple(found)

    assert states('a') == ('WAITING', 'TRAINING', 'PAUSED')
    of_demos = {'start': 'demos', 'demos': (str(demos),), 'pretrain_updates': 12}
    assert states('b', **of_demos) == ('PRETRAINING', 'PRETRAINING', 'PAUSED')
    assert states('c', update_ratio=0.0) == ('RECORDING', 'RECORDING', 'PAUSED')


def test_pause_stops_updates_and_adds_steps(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1))
    cell.learner.pause(True)
    cell.feed(*episode(schema, 'a'))
    cell.wait(lambda: len(cell.learner.trainer.replay) == 8)
    assert cell.learner.state == 'PAUSED'
    cell.learner.pause(False)
    cell.feed(*episode(schema, 'b'))
    cell.wait(lambda: cell.learner.trainer.updates == 8)
    assert cell.learner.save() in ('8', '8-2')
    cell.close()


def test_a_loss_that_is_not_finite_ends_learning_and_saves_nothing(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    for p in cell.learner.trainer.agent.critic.parameters():
        p.data.fill_(float('nan'))
    cell.feed(*episode(schema, 'a', 30))
    cell.wait(lambda: cell.errors)
    assert 'critic_loss' in str(cell.errors[0]) and 'version 1' in str(cell.errors[0])
    assert 'all inputs of the batch are finite' in str(cell.errors[0])
    assert cell.learner.state == 'FAILED' and len(cell.published) == 1
    cell.close()
    assert list((tmp_path / 'run' / 'checkpoints').iterdir()) == []
    assert len(open_bags(tmp_path / 'run' / 'bags')) == 1


def test_pretrained_starts_from_a_bundle_and_refuses_what_does_not_fit(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'a').close()
    bundle = tmp_path / 'policy.safetensors'
    bundle.write_bytes(cell.published[0][0])
    options = replace(OPTIONS, start='pretrained', pretrained=str(bundle), seed=5)
    other = Cell(schema, tmp_path / 'b', options).close()
    images, state = [np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32)
    assert np.array_equal(
        *(
            Policy.from_bytes(c.published[0][0]).act(images, state, 0.0, None)
            for c in (cell, other)
        )
    )
    with pytest.raises(CellError, match='rate: 20.0 here, 10.0 there'):
        Cell(replace(schema, rate=20.0), tmp_path / 'c', options)
    with pytest.raises(CellError, match='start:=pretrained needs pretrained:='):
        Cell(schema, tmp_path / 'd', replace(options, pretrained=''))


def test_a_pretrained_policy_does_not_change_during_critic_warmup(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'a').close()
    bundle = tmp_path / 'policy.safetensors'
    bundle.write_bytes(cell.published[0][0])
    options = replace(
        OPTIONS, start='pretrained', pretrained=str(bundle), critic_warmup_updates=50, min_steps=5
    )
    assert replace(options, critic_warmup_updates=-1).critic_warmup_count() == 1000
    images, state = [np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32)

    def policy_action(data):
        return Policy.from_bytes(data).act(images, state, 0.0, None)

    other = Cell(schema, tmp_path / 'b', options)
    critic = other.learner.trainer.agent.critic.state_dict()['q1.0.weight'].clone()
    other.feed(*episode(schema, 'x', 9))
    other.wait(lambda: other.published[-1][2] > 3)  # of a policy of so many updates
    other.close()
    assert not torch.equal(other.learner.trainer.agent.critic.state_dict()['q1.0.weight'], critic)
    assert np.array_equal(
        policy_action(other.published[-1][0]), policy_action(bundle.read_bytes())
    )
    again = Cell(
        schema,
        tmp_path / 'b',
        replace(options, critic_warmup_updates=other.learner.trainer.updates),
    )
    again.feed(*episode(schema, 'y', 9))
    again.wait(lambda: again.published[-1][2] > other.learner.trainer.updates + 3)
    again.close()
    assert not np.array_equal(
        policy_action(again.published[-1][0]), policy_action(bundle.read_bytes())
    )


def test_a_checkpoint_includes_its_critics(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'a', replace(OPTIONS, min_steps=5))
    cell.feed(*episode(schema, 'x', 9))
    cell.wait(lambda: cell.learner.trainer.updates > 3)
    cell.close()
    options = replace(
        OPTIONS,
        start='pretrained',
        seed=5,
        pretrained=str(tmp_path / 'a' / 'checkpoints' / 'latest'),
    )
    other = Cell(schema, tmp_path / 'b', options).close()
    assert 'critics included' in ' '.join(other.logged)
    ours, theirs = (c.learner.trainer.agent.state() for c in (other, cell))
    copy = {n for n in ours if n.startswith('start_')}  # of the policy that it starts from
    assert copy and ours.keys() - copy == theirs.keys()
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs)
    assert all(torch.equal(ours[n], theirs[n.replace('start_', 'ema_')]) for n in copy)
    assert other.learner.trainer.updates == other.learner.trainer.env_steps == 0
    with pytest.raises(CellError, match='cannot be read'):
        Cell(schema, tmp_path / 'c', replace(options, pretrained=str(tmp_path / 'a')))


def test_the_published_algorithm_trains_and_a_run_keeps_its_algorithm(schema, tmp_path):
    options = replace(OPTIONS, algorithm='drqv2', agent_options='hidden=32')
    cell = Cell(schema, tmp_path / 'run', options)
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.trainer.updates > 3)
    cell.close()
    assert not cell.errors
    policy = Policy.from_bytes(cell.published[-1][0], schema.hash)
    assert policy.network.frame_stack == 3 and policy.network.hidden == 32
    with pytest.raises(CellError, match='was started with algorithm:=drqv2, not cell'):
        Cell(schema, tmp_path / 'run')
    again = Cell(schema, tmp_path / 'run', replace(options, agent_options='')).close()
    expected = 'keeps the configuration of its start: hidden 32 here, 1024 there'
    assert any(expected in s for s in again.logged)


def test_demonstrations_are_learned_before_the_first_policy_goes_out(schema, tmp_path, demos):
    options = replace(OPTIONS, start='demos', demos=(str(demos),), pretrain_updates=12)
    cell = Cell(schema, tmp_path / 'run', options)
    cell.wait(lambda: cell.published)
    assert cell.published[0][1:] == (1, 12, 0)
    assert any('12 updates on demonstrations before the first step' in s for s in cell.logged)
    assert cell.learner.trainer.pacer.updates == 0
    cell.feed(*episode(schema, 'a'))
    cell.wait(lambda: cell.learner.trainer.updates == 12 + 8)
    cell.close()
    assert cell.learner.trainer.pacer.achieved == 1.0
    again = Cell(schema, tmp_path / 'run', options)
    assert again.published and again.learner.trainer.updates == 20
    again.close()
    with pytest.raises(CellError, match='but there are no demonstrations'):
        Cell(schema, tmp_path / 'b', replace(OPTIONS, pretrain_updates=5))


def test_high_noise_on_a_pretrained_policy_needs_an_option(schema, tmp_path):
    options = replace(OPTIONS, start='pretrained', pretrained='/p', sigma='0.4')
    with pytest.raises(CellError, match='allow_high_sigma'):
        Cell(schema, tmp_path / 'run', options)
    with pytest.raises(CellError, match='/p cannot be read'):
        Cell(schema, tmp_path / 'run', replace(options, allow_high_sigma=True))
    assert str(replace(options, sigma='').schedule()) == 'linear(0.2,0.1,10000)'


@pytest.mark.slow
def test_rolling_back_returns_to_the_best_and_publishes_it_as_new(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    assert cell.learner.roll_back() == ''
    for i in range(12):
        steps = episode(schema, f'e{i}')
        for step in steps[:-1]:
            object.__setattr__(step, 'source', Source.POLICY)
        cell.feed(*steps)
    learner = cell.learner
    cell.wait(
        lambda: (
            learner.trainer.env_steps == 96
            and learner.trainer.updates == learner.trainer.pacer.credited
        )
    )
    best, updates = learner.save(), learner.trainer.updates
    assert best == str(updates) and cell.learner.trainer.recent.share == 1.0
    images, state = [np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32)

    def action():
        return Policy.from_bytes(cell.published[-1][0]).act(images, state, 0.0, None)

    cell.wait(lambda: cell.published[-1][2] == updates)
    good = action()
    cell.feed(*episode(schema, 'failed', 30, outcome=Outcome.FAILURE))
    cell.wait(lambda: cell.published[-1][2] == updates + 30)
    assert not np.array_equal(action(), good)
    cell.learner.save()
    version = cell.published[-1][1]
    assert cell.learner.roll_back() == best
    assert cell.published[-1][1] == version + 1 and np.array_equal(action(), good)
    cell.close()
    assert not cell.errors and cell.learner.trainer.updates == updates + 30


def test_a_given_encoder_is_used_and_frozen(schema, tmp_path):
    first = Cell(schema, tmp_path / 'a').close()
    bundle = tmp_path / 'policy.safetensors'
    bundle.write_bytes(first.published[0][0])
    cell = Cell(schema, tmp_path / 'b', replace(OPTIONS, encoder=str(bundle), seed=9))
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.trainer.updates > 3)
    cell.close()
    ours, theirs = (Policy.from_bytes(c.published[-1][0]) for c in (cell, first))
    for name, value in ours.encoder.state_dict().items():
        assert np.array_equal(value, theirs.encoder.state_dict()[name])
    with pytest.raises(CellError, match='frame_stack: 2 here, 1 there'):
        Cell(
            schema,
            tmp_path / 'c',
            replace(OPTIONS, encoder=str(bundle), agent_options='frame_stack=2'),
        )


def test_a_full_disk_ends_learning_with_its_reason_and_the_checkpoint_before(schema, tmp_path):
    """Only the checkpoints' disk is full: bags are written, incomplete checkpoints are removed."""
    disk = tmp_path / 'run' / 'checkpoints'
    disk.mkdir(parents=True)
    options = replace(OPTIONS, agent_options='hidden=32 channels=8')
    with mounted(disk, '8m'):
        cell = Cell(schema, tmp_path / 'run', options)
        cell.feed(*episode(schema, 'a', 20))
        cell.wait(lambda: cell.learner.trainer.updates > 3)
        name = cell.learner.save()
        with (
            pytest.raises(OSError, match='No space'),
            open(disk / 'filler', 'wb', buffering=0) as file,
        ):
            while file.write(bytes(4096)):
                pass
        cell.feed(*episode(schema, 'b', 20))
        assert cell.learner.save(timeout=1.0) == ''
        cell.wait(lambda: cell.errors)
        assert 'No space left' in str(cell.errors[0])
        assert 'the previous one is complete' in str(cell.errors[0])
        cell.close()
        assert not list(disk.glob('.new-*'))
        assert len(open_bags(tmp_path / 'run' / 'bags')) == 2
        (disk / 'filler').unlink()
        again = Cell(schema, tmp_path / 'run', options)
        assert any(f'from checkpoints/{name} and 2 bags' in s for s in again.logged)
        again.close()


def test_out_of_memory_is_reported_and_a_checkpoint_is_saved(schema, tmp_path, monkeypatch):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.trainer.updates == cell.learner.trainer.pacer.credited > 3)

    def update(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    monkeypatch.setattr(cell.learner.trainer.agent, 'update', update)
    made = cell.learner.trainer.updates
    cell.feed(*episode(schema, 'b', 20))
    cell.wait(lambda: cell.errors)
    assert f'memory ran out after {made} updates' in str(cell.errors[0])
    cell.close()
    assert cell.learner.state == 'FAILED'
    again = Cell(schema, tmp_path / 'run')
    assert any(f'from checkpoints/{made} and 2 bags' in s for s in again.logged)
    again.close()


def test_an_error_while_sampling_ahead_ends_learning_and_saves_a_checkpoint(
    schema, tmp_path, monkeypatch
):
    cell = Cell(schema, tmp_path / 'run')
    learner = cell.learner
    learner.trainer.batches = Batches(
        learner.trainer.replay,
        np.random.default_rng(0),
        8,
        learner.trainer.agent.device,
        ahead=True,
    )
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: learner.trainer.updates == learner.trainer.pacer.credited > 3)
    monkeypatch.setattr(learner.trainer.replay, 'gather', lambda *_: 1 // 0)
    cell.feed(*episode(schema, 'b', 20))
    cell.wait(lambda: cell.errors)
    assert isinstance(cell.errors[0], ZeroDivisionError)
    cell.close()
    assert list((tmp_path / 'run' / 'checkpoints').glob(str(learner.trainer.updates)))


def test_a_loss_that_is_not_finite_names_the_update_and_its_input(schema, tmp_path):
    """Weights are not finite after it, though later batches are."""
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=10**6))
    trainer, metrics = cell.learner.trainer, UpdateMetrics()
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: len(trainer.replay) == 20)
    good = trainer.replay.sample_half(8, np.random.default_rng(0))
    bad = replace(good, reward=good.reward * float('nan'))
    for batch in (good, good, bad, good, good):
        metrics.add(trainer.agent.update(batch, 0.1), batch)
    with pytest.raises(NotFinite, match='after 13 updates; not finite in the batch: reward'):
        metrics.collect(15)
    cell.close()


@pytest.mark.slow
@pytest.mark.parametrize('ratio', [0.5, 2.5])
def test_updates_keep_to_the_ratio_within_5_percent(schema, tmp_path, ratio):
    cell = Cell(
        schema, tmp_path / 'run', replace(OPTIONS, update_ratio=ratio, agent_options='hidden=16')
    )
    learner = cell.learner
    for i in range(5):
        cell.feed(*episode(schema, f'e{i}', 10))
    cell.wait(
        lambda: (
            learner.trainer.env_steps == 50
            and learner.trainer.updates == int(ratio * learner.trainer.pacer.credited)
        )
    )
    assert learner.trainer.pacer.achieved == pytest.approx(ratio, rel=0.05)
    cell.close()


def test_after_a_change_of_device_the_random_numbers_start_from_the_seed(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.trainer.updates == cell.learner.trainer.pacer.credited > 3)
    cell.close()
    checkpoint = Checkpoints(tmp_path / 'run' / 'checkpoints').newest()[0]
    tensors = {**checkpoint.tensors, 'generator': torch.zeros(16, dtype=torch.uint8)}
    agent = Agent(schema, checkpoint.config(AgentConfig))
    agent._graphed_update = 'a graph of the optimisers from before'
    assert 'another kind of device' in restore(agent, replace(checkpoint, tensors=tensors))
    assert torch.equal(
        agent.actor.policy[0].weight, cell.learner.trainer.agent.actor.policy[0].weight
    )
    assert restore(agent, checkpoint) == '' and agent._graphed_update is None


@pytest.mark.slow
def test_a_checkpoint_delays_training_by_less_than_100_ms(schema, tmp_path):
    """Of the published networks, the largest, over their median: the machine may be busy."""
    camera = replace(schema.cameras[0], out_height=84, out_width=84)
    schema = replace(schema, cameras=(camera,))
    agent = Agent(schema, ALGORITHMS['drqv2'])
    writer, held_up = CheckpointWriter(Checkpoints(tmp_path)), []
    for number in range(5):
        begin = time.monotonic()
        writer.save(agent, trainer_state(number))
        held_up.append(time.monotonic() - begin)
        writer.finish()
    writer.close()
    assert sorted(held_up)[2] < 0.1, held_up
    assert writer.last == '4'


def test_no_checkpoint_is_saved_while_an_update_runs(schema, tmp_path, monkeypatch):
    monkeypatch.setattr(learner_module, 'CLOSE_TIME', 0.2)
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, agent_options='hidden=16 channels=8'))
    trainer, entered, leave = cell.learner.trainer, threading.Event(), threading.Event()
    update = trainer.agent.update

    def long_update(*arguments, **options):
        found = update(*arguments, **options)
        if trainer.updates == 5:
            entered.set()
            leave.wait(20)
        return found

    trainer.agent.update = long_update
    cell.feed(*episode(schema, 'a', 20))
    assert entered.wait(20)
    cell.feed(*episode(schema, 'b', 4))
    cell.learner.close(*cell.threads)
    leave.set()
    cell.threads[0].join(20)
    assert list((tmp_path / 'run' / 'checkpoints').iterdir()) == []
    assert any('has not ended within 0.2 s' in line for line in cell.logged)
    assert len(open_bags(tmp_path / 'run' / 'bags')) == 2
    trainer.close()


def test_what_is_not_finite_is_not_saved_when_the_losses_do_not_show_it(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=10**6))
    cell.learner.trainer.updates = 1
    cell.learner.trainer.agent.actor.policy[0].weight.data[0, 0] = float('inf')
    assert cell.learner.save(2.0) == ''
    cell.wait(lambda: cell.errors)
    assert 'weights are not finite' in str(cell.errors[0]) and 'checkpoint none' in str(
        cell.errors[0]
    )
    cell.close()
    assert list((tmp_path / 'run' / 'checkpoints').iterdir()) == []


def test_the_discount_of_the_task_is_used_unless_the_command_has_another(schema, tmp_path):
    task = replace(schema, discount=0.99)
    for options, discount in (('', 0.99), ('discount=0.9', 0.9)):
        cell = Cell(task, tmp_path / str(discount), replace(OPTIONS, agent_options=options))
        assert cell.learner.trainer.agent.config.discount == discount
        cell.close()
