"""A run's page and a run's result, made from what is on disk."""

from dataclasses import replace
import json
import re

from learner_support.running_learner import episode
import pytest
from torch.utils.tensorboard import SummaryWriter

from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.report import page
from hilserl_learner.report.run_record import read_run
from hilserl_learner.training.options import LearnerOptions
from hilserl_learner.training.run_directory import RunDirectory
from published import run_results
from published.from_ros_run import result_of_run
from so101_node import verb
from so101_node.errors import CellError

START = 1_800_000_000_000_000_000  # ns
LENGTH, REST = 6, 6_400_000_000  # steps; ns from an episode's last step to the next one's first


@pytest.fixture
def run(schema, tmp_path):
    """Ten episodes: helped, then failed, then good; an evaluation after each five."""
    directory = RunDirectory(tmp_path / 'lift', schema)
    directory.begin(schema, LearnerOptions(seed=3, world='hard').settings())
    now = START
    for number in range(10):
        kind = ('helped', 'failed', 'good')[min(number // 3, 2)]
        steps = episode(
            schema, f'e{number}', LENGTH, Outcome.TIMEOUT if kind == 'failed' else Outcome.SUCCESS
        )
        for i, step in enumerate(steps):
            source = step.source if step.last or kind == 'helped' else Source.POLICY
            steps[i] = replace(step, stamp=now, source=source, sigma=0.1)
            now += 100_000_000  # 10 Hz
        bag = new_bag(directory.bags, schema, steps[0])
        for step in steps:
            bag.write(step)
        bag.close()
        now += REST - 100_000_000
    board = SummaryWriter(str(directory.tensorboard))
    for name in ('q_mean', 'q_max', 'q_bound', 'target_mean', 'critic_loss', 'actor_loss'):
        for updates in range(0, 100, 10):
            board.add_scalar(f'learner/{name}', 0.5, updates)
    board.close()
    for steps_of_run, rate in ((30, 0.6), (60, 0.95)):
        evaluation(directory.path, steps_of_run, rate)
    directory.release()
    return directory.path


def evaluation(path, env_steps, rate, world='hard'):
    directory = path / 'eval' / f'{env_steps}-{world}'
    directory.mkdir(parents=True)
    (directory / 'report.json').write_text(
        json.dumps(
            {
                'format': 'hilserl-evaluation-1',
                'summary': f'{rate}',
                'world': world,
                'seed': 3,
                'policy_env_steps': env_steps,
                'policy_version': 1,
                'policy_updates': env_steps,
                'episodes': 20,
                'success_rate': rate,
                'interval': [rate - 0.1, min(rate + 0.1, 1.0)],
                'median_seconds_to_success': 1.5,
            }
        )
    )


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


def test_only_what_the_policy_did_alone_is_its_success(run):
    rows = read_run(run).episodes
    assert [row.alone for row in rows] == [False] * 6 + [True] * 4
    assert [row.human_steps for row in rows] == [3] * 3 + [0] * 7


def test_the_page_needs_nothing_beside_it_and_shows_what_there_is(run, capsys):
    assert verb.run(['report', 'lift', '--runs-dir', str(run.parent)]) == 0
    text = (run / 'report.html').read_text()
    assert text.count('<svg') == 5 and text.count('data:image/png;base64,') == 2
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


def test_a_figure_that_cannot_be_drawn_leaves_a_sentence_in_a_page_that_is_whole(
    run, monkeypatch, capsys
):
    def broken(_):
        raise ValueError('no font')

    monkeypatch.setattr(page.pictures, 'losses', broken)
    monkeypatch.setattr(page.pictures, 'strip', broken)
    assert verb.run(['report', str(run)]) == 0
    text = (run / 'report.html').read_text()
    assert text.count('<svg') == 4 and text.count('ValueError: no font') == 3
    assert 'ValueError: no font' in capsys.readouterr().err


def test_a_run_that_has_just_begun_has_a_page_too(schema, tmp_path):
    directory = RunDirectory(tmp_path / 'new', schema)
    directory.begin(schema, LearnerOptions().settings())
    assert 'there is none' in page.page(read_run(directory.path))


def test_what_is_no_run_is_one_sentence(tmp_path, capsys):
    assert verb.run(['report', str(tmp_path)]) == 1
    assert 'is no run' in capsys.readouterr().err


def test_a_runs_result_comes_from_the_evaluations_in_its_own_world(run):
    evaluation(run, 60, 0.2, 'plain')
    found = result_of_run(run)
    assert (found['world'], found['seed'], found['graph']) == ('hard', 3, 'ros')
    assert found['success'] == 0.95 and found['episodes'] == 20
    assert (
        found['minutes_to_90'] == found['robot_minutes'] == round(read_run(run).minutes_of(60), 1)
    )
    assert [share for _, share, _ in found['curve']] == [0.6, 0.95]


def test_a_result_is_of_the_configuration_that_was_trained_whatever_the_default_is_now(run):
    now = result_of_run(run)['config']
    for name, config in (('60', AgentConfig()), ('61', AgentConfig(ema_tau='0.5'))):
        checkpoint = run / 'checkpoints' / name
        checkpoint.mkdir(parents=True)
        (checkpoint / 'state.json').write_text(json.dumps({'agent_config': config.to_json()}))
        assert (result_of_run(run)['config'] == now) == (name == '60')


def test_results_are_kept_and_a_run_measured_again_takes_its_own_place(run, tmp_path):
    file, found = tmp_path / 'results' / 'grasp_lift.json', result_of_run(run)
    run_results.add(file, found)
    run_results.add(file, found | {'seed': 4, 'minutes_to_90': None, 'success': 0.4})
    run_results.add(file, found | {'success': 1.0})
    runs = run_results.read(file)
    assert [(r['seed'], r['success']) for r in runs] == [(4, 0.4), (3, 1.0)]
    table = run_results.markdown(runs)
    assert table.count('\n') == 3 and 'not reached' in table and '| 100 % | 20 |' in table
    run_results.draw(runs, tmp_path / 'picture.png')
    assert (tmp_path / 'picture.png').stat().st_size > 5000


def test_a_result_without_a_figure_is_refused(tmp_path, run):
    found = result_of_run(run)
    del found['success']
    with pytest.raises(CellError, match='success'):
        run_results.add(tmp_path / 'r.json', found)
    assert not (tmp_path / 'r.json').exists()


def test_the_config_hash_changes_with_what_changes_learning_and_with_nothing_else(schema):
    options = LearnerOptions(start='demos')
    same = run_results.config_hash(schema, replace(options, seed=5, threads=2, world='hard'), 20)
    assert run_results.config_hash(schema, options, 20) == same
    others = [
        run_results.config_hash(schema, replace(options, **changed), 20)
        for changed in ({'agent_options': 'discount=0.9'}, {'sigma': '0.3'}, {'update_ratio': 2.0})
    ]
    others += [
        run_results.config_hash(schema, options, 10),
        run_results.config_hash(replace(schema, max_steps=50), options, 20),
    ]
    assert len({same, *others}) == 6


def test_ninety_percent_of_a_handful_is_not_ninety_percent():
    assert run_results.minutes_to([(1.0, 1.0, 5), (2.0, 0.85, 20), (3.04, 0.9, 20)]) == 3.0
    assert run_results.minutes_to([(1.0, 0.5, 50)]) is None
