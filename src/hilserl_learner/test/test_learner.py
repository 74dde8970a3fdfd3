"""The learner without ROS: pacing, resume, demonstrations, refusals, failure."""
from dataclasses import replace
import threading
import time

from hilserl_learner.bags import EpisodeBag, open_bags
from hilserl_learner.learner import Learner, LearnerOptions
from hilserl_learner.pacing import Pacer
from hilserl_learner.policy import Policy
from hilserl_learner.steps import Outcome, Source
import numpy as np
import pytest
from so101_description.errors import CellError
from test_bags import record

OPTIONS = LearnerOptions(
    start='scratch', batch_size=8, min_steps=10, publish_period=0.1, memory_gb=0.02)


def episode(schema, name, length=8, outcome=Outcome.SUCCESS, **options):
    steps = []
    for i in range(length + 1):
        last = i == length
        steps.append(record(
            schema, i, name, last=last, outcome=outcome if last else Outcome.NONE,
            terminated=i == length - 1, reward=None if last else float(i == length - 1),
            source=Source.NONE if last else Source.HUMAN if i % 2 else Source.POLICY, **options))
    return steps


class Cell:
    """A learner with its threads, and what it says and publishes."""

    def __init__(self, schema, directory, options=OPTIONS):
        self.said, self.published = [], []
        self.learner = Learner(
            schema, directory, options, lambda *a: self.published.append(a), self.said.append)
        self.errors = []
        self.threads = [
            threading.Thread(target=self._run, args=(body,), daemon=True)
            for body in (self.learner.train, self.learner.recorder.run)]
        for thread in self.threads:
            thread.start()

    def _run(self, body):
        try:
            body()
        except Exception as error:
            self.errors.append(error)

    def feed(self, *steps):
        for step in steps:
            self.learner.ingest(step)

    def wait(self, condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.said, self.errors)
            time.sleep(0.01)

    def close(self):
        begin = time.monotonic()
        self.learner.close(*self.threads)
        assert time.monotonic() - begin < 3.0
        return self


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
    cell.wait(lambda: learner.updates == learner.pacer.credited > 25)
    cell.wait(lambda: cell.published[-1][2] == learner.updates)
    assert learner.env_steps == 48 and learner.episodes == 6 and learner.state == 'TRAINING'
    cell.close()
    assert learner.pacer.achieved == 1.0
    assert not cell.errors and len(open_bags(tmp_path / 'run' / 'bags')) == 6
    assert (tmp_path / 'run' / 'checkpoints' / 'latest' / 'policy.safetensors').is_file()
    assert list((tmp_path / 'run' / 'tensorboard').iterdir())
    last = Policy.from_bytes(cell.published[-1][0])

    again = Cell(schema, tmp_path / 'run')
    sentence = [s for s in again.said if s.startswith('resumed')]
    assert sentence == [
        f'resumed run run: {learner.updates} updates, 48 steps, 6 episodes, version '
        f'{learner.version}, from checkpoints/{learner.updates} and 6 bags']
    resumed = Policy.from_bytes(again.published[0][0])
    assert resumed.version == learner.version + 1
    images, state = [np.zeros((64, 64, 3), np.uint8)], np.zeros(19, np.float32)
    assert np.array_equal(
        resumed.act(images, state, 0.0, None), last.act(images, state, 0.0, None))
    assert len(again.learner.replay) == len(learner.replay) == 48
    again.feed(*episode(schema, 'later'))
    again.wait(lambda: again.learner.updates == learner.updates + 8)
    again.close()


def test_steps_newer_than_the_checkpoint_are_said_and_learned(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(schema, 'a', 20))
    cell.wait(lambda: cell.learner.updates == cell.learner.pacer.credited > 5)
    cell.close()
    bag = EpisodeBag(tmp_path / 'run' / 'bags' / 'b', schema, 1)
    for step in episode(schema, 'b', 12, policy_version=77):
        bag.write(step)
    bag.close()
    again = Cell(schema, tmp_path / 'run')
    assert any('the checkpoint knew 20 steps, the bags hold 32' in s for s in again.said)
    assert again.published[0][1] == 78
    again.wait(lambda: again.learner.updates == cell.learner.updates + 12)
    again.close()


def test_demonstrations_are_prior_and_stay_apart_from_the_runs_steps(schema, tmp_path, demos):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, start='demos', demos=(str(demos),)))
    assert cell.learner.replay.prior_size == 16 and cell.learner.env_steps == 0
    assert any('16 steps from 2 bags' in s for s in cell.said)
    cell.close()
    assert open_bags(tmp_path / 'run' / 'bags') == []


def test_wrong_demonstrations_are_one_sentence(schema, tmp_path, demos):
    def start(directory, **options):
        return Learner(schema, tmp_path / 'run', replace(OPTIONS, **options), None, print)

    with pytest.raises(CellError, match='there is no complete bag'):
        start(demos, start='demos', demos=(str(tmp_path / 'nowhere'),))
    with pytest.raises(CellError, match='start:=demos needs some'):
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
    with pytest.raises(CellError, match='add up to 0 mm'):
        Learner(schema, tmp_path / 'run', options, None, print)


def test_discarded_and_zero_action_episodes_are_kept_in_bags_and_not_learned(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1000))
    cell.feed(*episode(schema, 'good'))
    cell.feed(*episode(schema, 'discarded', outcome=Outcome.DISCARDED))
    zero = episode(schema, 'zero')
    for step in zero:
        step.action[:] = 0.0
    cell.feed(*zero)
    cell.wait(lambda: any('episode zero is not learned from' in s for s in cell.said))
    assert len(cell.learner.replay) == 8
    cell.close()
    assert len(open_bags(tmp_path / 'run' / 'bags')) == 3
    again = Cell(schema, tmp_path / 'run')
    assert len(again.learner.replay) == 8 and again.learner.env_steps == 24
    again.close()


def test_steps_of_another_schema_are_counted_and_not_stored(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    cell.feed(*episode(replace(schema, rate=20.0), 'foreign'))
    cell.wait(lambda: cell.learner.replay.rejected == 9)
    assert 'its schema is' in cell.learner.message
    cell.close()
    assert open_bags(tmp_path / 'run' / 'bags') == []


def test_pause_holds_updates_and_takes_steps(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1))
    cell.learner.pause(True)
    cell.feed(*episode(schema, 'a'))
    cell.wait(lambda: len(cell.learner.replay) == 8)
    assert cell.learner.state == 'PAUSED'
    cell.learner.pause(False)
    cell.feed(*episode(schema, 'b'))
    cell.wait(lambda: cell.learner.updates == 8)
    assert cell.learner.save() in ('8', '8-2')
    cell.close()


def test_a_broken_down_learning_ends_with_its_reason_and_saves_nothing(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run')
    for p in cell.learner.agent.critic.parameters():
        p.data.fill_(float('nan'))
    cell.feed(*episode(schema, 'a', 30))
    cell.wait(lambda: cell.errors)
    assert 'critic_loss' in str(cell.errors[0]) and 'version 1' in str(cell.errors[0])
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
    assert np.array_equal(*(
        Policy.from_bytes(c.published[0][0]).act(images, state, 0.0, None)
        for c in (cell, other)))
    with pytest.raises(CellError, match='rate: 20.0 here, 10.0 there'):
        Cell(replace(schema, rate=20.0), tmp_path / 'c', options)
    with pytest.raises(CellError, match='start:=pretrained needs one'):
        Cell(schema, tmp_path / 'd', replace(options, pretrained=''))
