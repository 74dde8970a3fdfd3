"""`./cell reward`: what it prints and writes, and one sentence for each mistake."""

from dataclasses import replace
import json

import pytest
from reward_support import episode, twelve, write

from hilserl_reward.detector import SuccessDetector
from so101_node import verb

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def runs(schema, tmp_path_factory):
    directory = tmp_path_factory.mktemp('runs')
    write(directory / 'lift' / 'bags', schema, twelve(schema))
    write(directory / 'failures', schema, twelve(schema)[1::2])
    return directory


def run(runs, *words):
    return verb.run(['reward', *map(str, words), '--runs-dir', str(runs)])


def test_data_counts_the_labels_and_says_what_is_missing(runs, capsys):
    assert run(runs, 'data', 'lift') == verb.OK
    printed = capsys.readouterr().out
    assert printed.startswith('6 successes, 6 failures of task grasp_lift; frames: 6 show success')
    assert 'missing: 6 failures; 20 are wanted: ./cell record purpose:=negatives\n' in printed


def test_train_writes_a_detector_that_eval_measures(runs, tmp_path, schema, capsys):
    out = tmp_path / 'lift.safetensors'
    options = ['--updates', 80, '--reaction', '0.2']
    assert run(runs, 'train', 'lift', '--out', out, *options) == verb.OK
    printed = capsys.readouterr().out
    assert '6 of 6 successes are rewarded' in printed and 'version ' in printed
    assert SuccessDetector.load(out, schema).settings.trained_on['successes'] == 6
    assert json.loads(out.with_suffix('.json').read_text())['recall'] == 1.0
    assert out.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    report, picture = tmp_path / 'r.json', tmp_path / 'r.svg'
    words = ['--report', report, '--picture', picture, '--episodes', '--reaction', '0.2']
    assert run(runs, 'eval', out, 'lift', *words) == verb.OK
    assert 'success at step 18, reward at step' in capsys.readouterr().out
    assert json.loads(report.read_text())['test_episodes'] == 12 and picture.exists()


def test_runs_of_another_task_are_refused_with_the_difference(runs, tmp_path, schema, capsys):
    out = tmp_path / 'x.safetensors'
    assert run(runs, 'train', 'lift', '--out', out, '--updates', 1, '--anyway') == verb.OK
    other = replace(schema, rate=20.0)
    steps = [replace(step, schema_hash=other.hash) for step in episode(schema, 0, True)]
    write(tmp_path / 'other', other, [steps])
    capsys.readouterr()
    assert run(runs, 'eval', out, tmp_path / 'other') == verb.FAILED
    assert capsys.readouterr().err == (
        f'cell reward: {out} is for another task than these runs; rate: 10.0 here, 20.0 there\n'
    )


def test_a_detector_that_may_not_be_used_is_not_written(runs, tmp_path, capsys):
    out = tmp_path / 'bad.safetensors'
    # with one update it has learned nothing
    assert run(runs, 'train', 'lift', '--out', out, '--updates', 1) == verb.FAILED
    shown = capsys.readouterr().err
    assert shown.startswith('cell reward: no detector is written: ') and shown.count('\n') == 1
    assert not out.exists()
    assert run(runs, 'train', 'lift', '--out', out, '--updates', 1, '--anyway') == verb.OK
    assert out.exists() and 'WARNING: ' in capsys.readouterr().out


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['data', 'nowhere'], 'there is no run nowhere'),
        (
            ['train', 'failures', '--out', 'x.safetensors'],
            '0 of the labelled episodes are a success',
        ),
        (['train', 'lift', '--out', 'x.pt'], 'the name of a detector ends with .safetensors'),
        (
            ['train', 'lift', '--out', 'x.safetensors', '--frames', '4/3'],
            '4 of 3 frames is no rule',
        ),
        (['train', 'lift', '--out', 'x.safetensors', '--gate', 'tool.w>1'], 'no state tool.w'),
        (['train', 'lift', '--out', 'x.safetensors', '--updates', '0'], '--updates is 0; allowed'),
        (
            ['train', 'lift', '--out', 'x.safetensors', '--encoder', 'none'],
            'policy none cannot be',
        ),
        (['data', 'lift', '--margin', '-1'], '--margin is -1 s; allowed are 0 to 10'),
        (['eval', 'none.safetensors', 'lift'], 'success detector none.safetensors cannot be read'),
    ],
)
def test_a_mistake_is_one_sentence(runs, words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(runs, *words) == verb.FAILED
    shown = capsys.readouterr().err
    assert shown.startswith('cell reward: ') and shown.count('\n') == 1 and sentence in shown
    assert not list(tmp_path.iterdir())
