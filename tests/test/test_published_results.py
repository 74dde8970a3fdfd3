"""Published results: what `bench/published` computes from runs and their files."""

from dataclasses import replace
import json

from learner_support.finished_run import evaluation, finished_run
from learner_support.trainer_states import trainer_state
import msgspec
from msgspec.structs import replace as changed
import pytest

from hilserl_core.contract.tasks import make_task
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.report.run_record import read_run
from hilserl_learner.training.options import LearnerOptions
from hilserl_tests.source_tree import source_root
from published import failure_results, reward_rows, run_results
from published.from_ros_run import result_of_run
from so101_node.errors import CellError


@pytest.fixture(scope='module')
def schema():
    return make_task('grasp_lift', 'test-model')


@pytest.fixture
def run(schema, tmp_path):
    return finished_run(schema, tmp_path)


def test_a_runs_result_comes_from_the_evaluations_in_its_own_world(run):
    evaluation(run, 60, 0.2, 'plain')
    found = result_of_run(run)
    assert (found.world, found.seed, found.graph) == ('hard', 3, 'ros')
    assert found.success == 0.95 and found.episodes == 20
    assert found.minutes_to_90 == found.robot_minutes == round(read_run(run).minutes_of(60), 1)
    assert [share for _, share, _ in found.curve] == [0.6, 0.95]


def test_a_result_is_of_the_configuration_that_was_trained_whatever_the_default_is_now(run):
    now = result_of_run(run).config
    for name, config in (('60', AgentConfig()), ('61', AgentConfig(ema_tau='0.5'))):
        checkpoint = run / 'checkpoints' / name
        checkpoint.mkdir(parents=True)
        state = msgspec.to_builtins(trainer_state(int(name))) | {
            'format': 'hilserl-checkpoint-3',
            'agent_config': config.to_json(),
            'schema': '{}',
            'torch': '',
            'code': '',
            'saved': 0.0,
            'sha256': {},
        }
        (checkpoint / 'state.json').write_text(json.dumps(state))
        assert (result_of_run(run).config == now) == (name == '60')


@pytest.mark.slow
def test_results_are_kept_and_a_run_measured_again_replaces_its_own(run, tmp_path):
    file, found = tmp_path / 'results' / 'grasp_lift.json', result_of_run(run)
    run_results.add(file, found)
    run_results.add(file, changed(found, seed=4, minutes_to_90=None, success=0.4))
    run_results.add(file, changed(found, success=1.0))
    runs = run_results.read(file)
    assert [(r.seed, r.success) for r in runs] == [(4, 0.4), (3, 1.0)]
    table = run_results.markdown(runs)
    assert table.count('\n') == 3 and 'not reached' in table and '| 100 % | 20 |' in table
    run_results.draw(runs, tmp_path / 'picture.png')
    assert (tmp_path / 'picture.png').stat().st_size > 5000


def test_a_result_without_a_figure_is_refused(tmp_path, run):
    found = changed(result_of_run(run), success=None)
    with pytest.raises(CellError, match='success: expected float, got null'):
        run_results.add(tmp_path / 'r.json', found)
    assert not (tmp_path / 'r.json').exists()


def test_a_damaged_file_of_results_is_one_sentence_that_names_the_value(tmp_path, run):
    file = tmp_path / 'r.json'
    run_results.add(file, result_of_run(run))
    file.write_text(file.read_text().replace('"ros"', '"rso"'))
    with pytest.raises(CellError, match=r'damaged: runs\[0\]\.graph: .*; restore it from git'):
        run_results.read(file)


def test_the_config_hash_changes_only_with_what_changes_learning(schema):
    options = LearnerOptions(start='demos')
    same = run_results.config_hash(schema, replace(options, seed=5, threads=2, world='hard'), 20)
    assert run_results.config_hash(schema, options, 20) == same
    others = [
        run_results.config_hash(schema, replace(options, **change), 20)
        for change in ({'agent_options': 'discount=0.9'}, {'sigma': '0.3'}, {'update_ratio': 2.0})
    ]
    others += [
        run_results.config_hash(schema, options, 10),
        run_results.config_hash(replace(schema, max_steps=50), options, 20),
    ]
    assert len({same, *others}) == 6


def test_ninety_percent_of_few_episodes_does_not_count():
    assert run_results.minutes_to([(1.0, 1.0, 5), (2.0, 0.85, 20), (3.04, 0.9, 20)]) == 3.0
    assert run_results.minutes_to([(1.0, 0.5, 50)]) is None


FAILURE = {
    'row': 'frame-stack',
    'seed': 0,
    'world': 'plain',
    'success': 1.0,
    'interval': [0.93, 1.0],
    'curve': [[3.0, 0.5], [6.0, 0.9]],
}
REFUSED = {'row': 'ordinary', 'seed': 1, 'world': 'plain', 'refused': 'no demonstrations'}


def failures(tmp_path, *rows):
    file = tmp_path / 'failures.jsonl'
    file.write_text('\n'.join(map(json.dumps, rows)))
    return file


def test_the_table_of_failures_has_the_order_of_their_descriptions(tmp_path):
    rows = failure_results.read(failures(tmp_path, FAILURE, REFUSED))
    table = failure_results.markdown(rows, {'ordinary': 'nothing', 'frame-stack': 'three images'})
    lines = table.splitlines()
    assert lines[2].startswith('| nothing | 1 | refused')
    assert lines[3] == '| three images | 0 | 50, 90 % at minute 3, 6 | 100 % | 93 to 100 % |'


@pytest.mark.parametrize('wrong', [{'interval': [0.1, 0.5]}, {'seed': 'none'}, {'success': None}])
def test_a_damaged_experiment_is_named_by_its_line(tmp_path, wrong):
    file = failures(tmp_path, FAILURE, FAILURE | wrong)
    with pytest.raises(CellError, match='line 2 of .* is not an experiment'):
        failure_results.read(file)


def test_the_tables_of_success_detectors_are_those_of_their_rows():
    docs = source_root() / 'docs'
    text = (docs / 'reward.md').read_text(encoding='utf-8')
    rows = reward_rows.read(docs / 'results' / 'reward.json')
    assert rows.detectors and rows.wrong_labels
    assert reward_rows.page(text, rows) == text


def test_a_row_of_a_detector_replaces_that_of_the_same_measurement(tmp_path):
    file = tmp_path / 'reward.json'
    row = reward_rows.Training(
        task='t',
        reward='detector',
        seed=0,
        successes=3,
        episodes=9,
        robot_minutes=6.0,
        command='c',
    )
    reward_rows.add(file, training=[row])
    reward_rows.add(file, training=[changed(row, successes=5), changed(row, seed=1)])
    assert [(r.seed, r.successes) for r in reward_rows.read(file).training] == [(0, 5), (1, 3)]
    with pytest.raises(CellError, match='no place for the table detectors'):
        reward_rows.page('', reward_rows.read(file))
