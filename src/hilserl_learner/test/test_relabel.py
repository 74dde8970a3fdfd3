"""A finished episode gets another outcome during the run."""

from dataclasses import replace

from learner_support.running_learner import OPTIONS, Cell, episode
import pytest

from hilserl_core.bags.episode_bag import EpisodeBag, open_bags
from hilserl_core.bags.labels import content_hash, outcome_of
from hilserl_core.contract.steps import Outcome
from hilserl_learner.training.options import LearnerOptions
from so101_node.errors import CellError


def rewards(replay):
    """The rewards that the replay would teach."""
    steps = replay._steps
    slots = [slot for slot, owner in enumerate(replay._owner) if owner and steps.startable[slot]]
    return [float(steps.reward[slot]) for slot in slots]


@pytest.fixture
def cell(schema, tmp_path):
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1000))
    yield cell
    cell.close()


def wait_for(cell, steps, *complete):
    """Wait until so many steps are in the replay and the bags of those episodes are complete."""
    bags = cell.learner.run.bags
    cell.wait(
        lambda: (
            cell.learner.trainer.env_steps == steps
            and all((bags / name / 'metadata.yaml').exists() for name in complete)
        )
    )


def test_a_label_changes_what_is_learned_at_once_and_at_the_next_start(schema, tmp_path, cell):
    cell.feed(*episode(schema, 'a', outcome=Outcome.TIMEOUT), *episode(schema, 'b'))
    wait_for(cell, 16, 'a', 'b')
    before = content_hash(tmp_path / 'run' / 'bags' / 'b')
    assert sorted(rewards(cell.learner.trainer.replay))[-2:] == [1.0, 1.0]
    answer = cell.learner.label('', Outcome.FAILURE, None)
    assert answer == 'episode b is a failure: 8 steps in the replay'
    assert sorted(rewards(cell.learner.trainer.replay))[-2:] == [0.0, 1.0]
    assert len(cell.learner.trainer.replay) == 16
    assert content_hash(tmp_path / 'run' / 'bags' / 'b') == before
    cell.close()
    again = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1000))
    assert sorted(rewards(again.learner.trainer.replay))[-2:] == [0.0, 1.0]
    again.close()


def test_a_label_at_a_time_ends_the_episode_there(schema, cell):
    steps = episode(schema, 'a', outcome=Outcome.TIMEOUT)
    cell.feed(*steps)
    wait_for(cell, 8, 'a')
    answer = cell.learner.label('a', Outcome.SUCCESS, steps[5].stamp)
    assert answer == 'episode a is a success: 6 steps in the replay'
    assert rewards(cell.learner.trainer.replay) == [0.0] * 5 + [1.0]


def test_a_discarded_episode_leaves_the_replay_and_stays_on_disk(schema, tmp_path, cell):
    cell.feed(*episode(schema, 'a'), *episode(schema, 'b'))
    wait_for(cell, 16, 'a', 'b')
    assert len(cell.learner.trainer.recent) == 2
    cell.learner.label('a', Outcome.DISCARDED, None)
    assert len(cell.learner.trainer.replay) == 8
    assert cell.learner.trainer.episodes == len(cell.learner.trainer.recent) == 1
    assert len(open_bags(tmp_path / 'run' / 'bags')) == 2
    cell.close()
    again = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1000))
    assert len(again.learner.trainer.replay) == 8
    again.close()


def test_a_bag_with_a_similar_name_is_not_labelled(schema, cell):
    cell.feed(*episode(schema, 'a'), *episode(schema, 'a-2'))
    wait_for(cell, 16, 'a', 'a-2')
    assert cell.learner.label('a', Outcome.FAILURE, None).startswith('episode a is')
    assert sorted(rewards(cell.learner.trainer.replay))[-2:] == [0.0, 1.0]


def test_invalid_labels_are_refused_with_the_reason(schema, cell):
    steps = episode(schema, 'a')
    cell.feed(*steps, *episode(schema, 'open')[:3])
    wait_for(cell, 11, 'a')
    for name in ('open', 'unknown', '../../etc'):
        with pytest.raises(CellError, match='there is no complete bag of episode'):
            cell.learner.label(name, Outcome.SUCCESS, None)
    with pytest.raises(CellError, match='is not within episode a'):
        cell.learner.label('a', Outcome.SUCCESS, steps[-1].stamp + 1)
    with pytest.raises(CellError, match='use one of success, failure, discarded'):
        outcome_of('splendid')
    assert cell.errors == []


def test_unlabelled_demonstrations_need_a_choice(schema, tmp_path):
    silent = [
        replace(step, reward=None, outcome=Outcome.NONE, terminated=False)
        for step in episode(schema, 'silent')
    ]
    for steps in (silent, episode(schema, 'labelled')):
        bag = EpisodeBag(tmp_path / 'demos' / steps[0].episode_id, schema, 1)
        for step in steps:
            bag.write(step)
        bag.close()
    options = LearnerOptions(
        start='demos', demos=(str(tmp_path / 'demos'),), pretrain_updates=0, memory_gb=0.02
    )
    with pytest.raises(CellError, match='silent: it has no outcome.*unlabelled:=exclude'):
        Cell(schema, tmp_path / 'one', options)
    cell = Cell(schema, tmp_path / 'two', replace(options, unlabelled='exclude'))
    assert len(cell.learner.trainer.replay) == 8
    assert 'demonstration silent is unlabelled and left out' in cell.logged
    cell.close()


def test_a_later_label_of_an_episode_replaces_its_former_one(schema, cell):
    steps = episode(schema, 'a', outcome=Outcome.TIMEOUT)
    cell.feed(*steps)
    wait_for(cell, 8, 'a')
    cell.learner.label('a', Outcome.SUCCESS, steps[2].stamp)
    answer = cell.learner.label('a', Outcome.FAILURE, steps[6].stamp)
    assert answer == 'episode a is a failure: 7 steps in the replay'
    assert rewards(cell.learner.trainer.replay) == [0.0] * 7
