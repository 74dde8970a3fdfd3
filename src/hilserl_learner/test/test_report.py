"""The report page of a run, from its files."""

from dataclasses import replace
import json
import re

from learner_support.finished_run import LENGTH, REST, START, finished_run
from learner_support.running_learner import OPTIONS, Cell, episode
from learner_support.small_agent import SMALL
from learner_support.trainer_states import trainer_state
import pytest

from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.report import page
from hilserl_learner.report.run_record import read_run
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot
from hilserl_learner.training.options import LearnerOptions
from hilserl_learner.training.run_directory import RunDirectory
from so101_node import verb
from so101_node.errors import CellError


@pytest.fixture
def run(schema, tmp_path):
    return finished_run(schema, tmp_path)


def test_robot_time_counts_resets_and_not_the_hours_between_two_starts(run, schema):
    found = read_run(run)
    per_episode = (LENGTH * 0.1 + REST * 1e-9) / 60
    assert found.minutes_of(LENGTH) == pytest.approx(0.5 / 60)
    assert found.minutes_of(10 * LENGTH) == pytest.approx(9 * per_episode + 0.5 / 60)
    later = [
        replace(step, stamp=START + 3600 * 10**9 + i * 100_000_000)
        for i, step in enumerate(episode(schema, 'later', LENGTH))
    ]
    bag = new_bag(run / 'bags', schema, later[0])
    for step in later:
        bag.write(step)
    bag.close()
    assert read_run(run).minutes_of(11 * LENGTH) == pytest.approx(
        9 * per_episode + (LENGTH * 0.1 + 0.5) / 60
    )


def test_only_episodes_without_help_are_a_success_of_the_policy(run):
    rows = read_run(run).episodes
    assert [row.alone for row in rows] == [False] * 6 + [True] * 4
    assert [row.human_steps for row in rows] == [3] * 3 + [0] * 7


@pytest.mark.slow
def test_report_and_checkpoint_count_the_same_episodes_of_a_run(schema, tmp_path):
    """Discarded ones (at once or later) and aborted ones are counted by neither."""
    cell = Cell(schema, tmp_path / 'run', replace(OPTIONS, min_steps=1))
    for number, outcome in enumerate(Outcome):
        cell.feed(*episode(schema, f'e{number}', outcome=outcome, start=100 * number))
    cell.feed(*episode(schema, 'later', start=900))
    cell.wait(lambda: cell.learner.trainer.episodes == 4)
    cell.learner.label('later', Outcome.DISCARDED, None)
    cell.wait(lambda: cell.learner.trainer.updates > 0)
    cell.close()
    again = Cell(schema, tmp_path / 'run', OPTIONS).close()
    newest = list(Checkpoints(tmp_path / 'run' / 'checkpoints').states().values())[-1]
    counted = [row.outcome for row in read_run(tmp_path / 'run').episodes]
    assert counted == [Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT]
    assert newest.episodes == again.learner.trainer.episodes == 3


@pytest.mark.slow
def test_the_page_needs_no_other_file_and_shows_the_run(run, capsys):
    assert verb.run(['report', 'lift', '--runs-dir', str(run.parent)]) == 0
    text = (run / 'report.html').read_text()
    assert text.count('<svg') == 5
    assert text.count('data:image/png;base64,') == 2 + 7  # two strips, and each success
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    for expected in (
        '10, 7 succeeded, 4 of them without help',
        'world hard',
        'seed 3',
        'torch',
        'publish_period',
        'success after 6 steps',
        'timeout after 6 steps',
    ):
        assert expected in text, expected
    assert '10 episodes, 2 evaluations' in capsys.readouterr().out


@pytest.mark.slow
def test_a_figure_that_cannot_be_drawn_is_a_sentence_in_a_complete_page(run, monkeypatch, capsys):
    def broken(_):
        raise ValueError('no font')

    monkeypatch.setattr(page.figures, 'losses', broken)
    monkeypatch.setattr(page.figures, 'strip', broken)
    assert verb.run(['report', str(run)]) == 0
    text = (run / 'report.html').read_text()
    assert text.count('<svg') == 4 and text.count('ValueError: no font') == 4
    assert 'ValueError: no font' in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_has_just_begun_has_a_page_too(schema, tmp_path):
    directory = RunDirectory(tmp_path / 'new', schema)
    directory.begin(schema, LearnerOptions().settings())
    assert 'Last failure: none' in page.page(read_run(directory.path))


def test_a_damaged_agent_configuration_is_one_sentence(schema, tmp_path):
    directory = RunDirectory(tmp_path / 'new', schema)
    directory.begin(schema, LearnerOptions().settings())
    checkpoints = Checkpoints(directory.checkpoints)
    file = checkpoints.save(Snapshot.of(Agent(schema, SMALL)), trainer_state(1)) / 'state.json'
    assert read_run(directory.path).agent['discount'] == SMALL.discount
    file.write_text(json.dumps(json.loads(file.read_text()) | {'agent_config': '{'}))
    with pytest.raises(CellError, match='in the newest checkpoint of .* truncated'):
        read_run(directory.path)


def test_a_directory_that_is_not_a_run_gives_one_sentence(tmp_path, capsys):
    assert verb.run(['report', str(tmp_path)]) == 1
    assert 'is not a run' in capsys.readouterr().err


@pytest.mark.slow
def test_the_last_image_of_each_success_is_shown_with_the_command_that_corrects_it(run):
    found = read_run(run)
    assert len(found.rewarded) == sum(row.succeeded for row in found.episodes) == 7
    bag, shown = found.rewarded[-1]
    assert bag == run / 'bags' / 'e9' and len(shown.images) == 1
    written = page.page(found)
    assert written.count('failure</code>') == 7
    assert f'<code>./cell label {bag} failure</code>' in written
    assert written.index(str(bag)) < written.index(str(run / 'bags' / 'e0'))  # the newest first
    add_label(bag, Label(Outcome.FAILURE))
    assert str(bag) not in page.page(read_run(run)).partition('Rewarded episodes')[2]
