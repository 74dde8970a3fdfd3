"""Filling the replay at start: each stored step is decoded once."""

from core_support import record
import pytest

from hilserl_core.bags import episode_bag
from hilserl_core.bags.episode_bag import EpisodeBag
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.fill_replay import load_demonstrations, load_run


@pytest.fixture
def decoded(monkeypatch):
    """(episode, index) of each step that is decoded from a bag."""
    steps, decode = [], episode_bag.step_from_cdr

    def counting(data):
        step = decode(data)
        steps.append((step.episode_id, step.index))
        return step

    monkeypatch.setattr(episode_bag, 'step_from_cdr', counting)
    return steps


@pytest.fixture
def bags(schema, tmp_path):
    for name in ('a', 'b', 'c'):
        bag = EpisodeBag(tmp_path / name, schema, 1)
        for i in range(6):
            bag.write(record(schema, i, name, last=i == 5))
        bag.close()
    return tmp_path


EVERY_STEP = [(name, index) for name in 'abc' for index in range(6)]


def test_demonstrations_are_decoded_once(schema, bags, decoded):
    replay = Replay(schema, 100)
    loaded = load_demonstrations([bags], replay, print)
    assert loaded.env_steps == 15 and replay.prior_size == 15
    assert sorted(decoded) == EVERY_STEP


def test_labelled_demonstrations_are_decoded_once(schema, bags, decoded):
    add_label(bags / 'b', Label(Outcome.DISCARDED))
    replay = Replay(schema, 100)
    load_demonstrations([bags], replay, print)
    assert replay.prior_size == 10
    assert sorted(decoded) == EVERY_STEP


def test_the_bags_of_a_run_are_decoded_once(schema, bags, decoded):
    replay = Replay(schema, 100)
    assert load_run(bags, replay, print).env_steps == 15
    assert sorted(decoded) == EVERY_STEP


def test_a_demonstration_that_was_broken_off_at_its_start_is_left_out(schema, bags):
    bag = EpisodeBag(bags / 'broken', schema, 1)
    for index in (0, 1):
        last = index == 1
        bag.write(record(schema, index, 'broken', last=last, outcome=Outcome.NONE, reward=None))
    bag.close()
    replay = Replay(schema, 100)
    load_demonstrations([bags], replay, print)  # and it is not refused as unlabelled
    assert replay.prior_size == 15


def test_a_discarded_recording_among_demonstrations_is_left_out(schema, bags):
    for name in ('a', 'b'):
        add_label(bags / name, Label(Outcome.DISCARDED))
    replay = Replay(schema, 100)
    load_demonstrations([bags], replay, print)
    assert replay.prior_size == 5


def test_steps_of_a_policy_demonstrate_if_anyone_may(schema, tmp_path):
    for name, outcome in (('good', Outcome.SUCCESS), ('bad', Outcome.FAILURE)):
        bag = EpisodeBag(tmp_path / name, schema, 1)
        for index in range(6):
            last = index == 5
            source = Source.NONE if last else Source.POLICY if index < 3 else Source.HUMAN
            more = {'outcome': outcome} if last else {}
            bag.write(record(schema, index, name, last=last, source=source, **more))
        bag.close()
    found = {}
    for by_anyone in (False, True):
        replay = Replay(schema, 100)
        load_demonstrations([tmp_path], replay, print, by_anyone=by_anyone)
        found[by_anyone] = replay.prior_size, len(replay)
    assert found == {False: (2, 10), True: (5, 10)}
