"""What each command says at its end, from the files of a run."""

from dataclasses import replace
import json
import time

from actor_support.demonstrations import SCHEMA, records
import numpy as np
import pytest

from hilserl_actor.bringup.arguments import parse
from hilserl_actor.bringup.next_command import next_command
from hilserl_actor.bringup.plan import Plan
from hilserl_actor.bringup.result_lines import result_lines
from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.contract.steps import Outcome, Source

NOW = 1_800_000_000 * 10**9  # ns
IMAGE = np.zeros((64, 64, 3), np.uint8)


def write(run_dir, name, start=NOW, source=Source.HUMAN, **episode):
    """Write an episode of `records` as a bag that begins at `start`, ns."""
    bag = None
    for step in records(**episode):
        step = replace(
            step,
            episode_id=name,
            stamp=step.stamp + start,
            cameras=('wrist_camera',),
            images=(IMAGE,),
            image_stamps=(step.stamp + start,),
            source=Source.NONE if step.last else source,
        )
        bag = bag or new_bag(run_dir / 'bags', SCHEMA, step)
        bag.write(step)
    bag.close()


def lines(command, run_dir, *words, since=NOW, failed=False, results=()):
    plan = Plan((), '', run_dir, 0.0, {}, results=tuple(results))
    return result_lines(command, plan, SCHEMA, list(words), since, failed)


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'runs' / 'lift' / 'bags').mkdir(parents=True)
    return tmp_path / 'runs' / 'lift'


def test_a_recording_ends_with_how_many_how_good_and_the_train_line(run_dir):
    write(run_dir, 'before', start=NOW - 10**12)
    write(run_dir, 'good')
    write(run_dir, 'late', outcome=Outcome.TIMEOUT)
    write(run_dir, 'gone', outcome=Outcome.DISCARDED)
    write(run_dir, 'aborted', outcome=Outcome.NONE)
    assert lines('record', run_dir, 'task:=reach', 'run:=lift', 'episodes:=3') == [
        '3 demonstrations in runs/lift/bags, 2 of them new: 2 succeeded, 1 timed out; 1 POOR',
        'POOR: it timed out without success; to leave it out: ./cell label runs/lift/bags/late '
        'discarded',
        'next: ./cell train demos:=runs/lift/bags task:=reach',
    ]


def test_negatives_end_with_the_line_that_counts_them(run_dir):
    write(run_dir, 'miss', outcome=Outcome.FAILURE)
    write(run_dir, 'late', outcome=Outcome.TIMEOUT)
    assert lines('record', run_dir, 'purpose:=negatives') == [
        '2 negatives in runs/lift/bags, 2 of them new: 1 failed, 1 timed out',
        'next: ./cell reward data runs/lift',
    ]


def test_an_evaluation_is_not_judged_by_the_detector_of_the_training():
    words = ['reward:=lift.safetensors', 'task:=reach']
    assert next_command('eval', words) == './cell eval task:=reach'
    assert next_command('train', words) == './cell train reward:=lift.safetensors task:=reach'


def test_a_recording_without_a_demonstration_says_how_to_record_again(run_dir):
    write(run_dir, 'aborted', outcome=Outcome.NONE)
    assert lines('record', run_dir, 'operator:=person') == [
        'no demonstration was recorded',
        'next: ./cell record run:=lift operator:=person',
    ]


@pytest.mark.slow
def test_training_ends_with_the_policys_own_success_and_the_eval_line(run_dir):
    for number in range(25):
        alone = number >= 18
        write(
            run_dir,
            f'e{number:02}',
            start=NOW + number * 10**10,
            steps=20,
            source=Source.POLICY if alone else Source.HUMAN,
            outcome=Outcome.TIMEOUT if number >= 23 else Outcome.SUCCESS,
        )
    (run_dir / 'checkpoints' / '480').mkdir(parents=True)
    (run_dir / 'checkpoints' / '480' / 'policy.safetensors').touch()
    (run_dir / 'checkpoints' / 'latest').symlink_to('480')
    # 25 episodes of 2 s, 10 s from one to the next; the last 20: 13 helped, 5 alone, 2 failed
    assert lines('train', run_dir, 'world:=hard', 'run_for:=60', since=NOW + 10**11) == [
        'run lift: 500 steps (300 new) in 4.0 robot minutes, 25 episodes, 72 % of the steps with '
        'help',
        'the policy alone: success in 5 of the last 20 episodes (25 %, 95 % interval 11 to 47 %); '
        'with help in 13 more; 65 % of these steps with help',
        'checkpoint: runs/lift/checkpoints/480',
        'next: ./cell eval run:=lift world:=hard',
    ]


def test_a_run_that_ended_before_its_first_checkpoint_or_step_says_so(run_dir):
    assert lines('train', run_dir) == ['run lift: no step was recorded']
    (run_dir / 'checkpoints' / '30').mkdir(parents=True)
    (run_dir / 'checkpoints' / '30' / 'policy.safetensors').touch()
    (run_dir / 'checkpoints' / 'latest').symlink_to('30')
    assert lines('train', run_dir) == [
        'run lift: no step yet; the policy has learned from demonstrations only',
        'checkpoint: runs/lift/checkpoints/30',
        'next: ./cell eval run:=lift',
    ]
    (run_dir / 'checkpoints' / 'latest').unlink()
    write(run_dir, 'cut', steps=5, outcome=Outcome.NONE)
    assert lines('train', run_dir, 'start:=scratch')[1:] == [
        'the policy alone: no episode has ended',
        'no checkpoint yet',
        'next: ./cell train run:=lift start:=scratch',
    ]


def test_a_command_that_failed_before_it_made_anything_new_has_no_result(run_dir):
    write(run_dir, 'before', start=NOW - 10**12)
    for command in ('record', 'train', 'eval', 'preflight'):
        assert lines(command, run_dir, failed=True) == []
    assert lines('train', run_dir, failed=True, since=NOW - 10**13)


def evaluated(run_dir, name, successes, episodes=20, wanted=20):
    directory = run_dir / 'eval' / f'{name}-abc-seed0-{wanted}'
    directory.mkdir(parents=True)
    data = {
        'format': 'hilserl-evaluation-1',
        'summary': f'{successes} of {episodes} episodes succeeded',
        'policy': str(run_dir / 'checkpoints' / name / 'policy.safetensors'),
        'world': 'plain',
        'seed': 0,
        'task': 'grasp_lift',
        'schema_hash': '',
        'policy_version': 1,
        'policy_updates': 1,
        'policy_env_steps': 1,
        'wanted': wanted,
        'complete': episodes >= wanted,
        'episodes': episodes,
        'successes': successes,
        'success_rate': successes / episodes,
        'interval': [0.0, 1.0],
        'median_seconds_to_success': None,
        'results': [],
    }
    (directory / 'report.json').write_text(json.dumps(data))
    return directory


def test_an_evaluation_ends_with_its_sentence_its_files_and_the_next_step(run_dir):
    (run_dir / 'run.yaml').touch()
    good, cut = evaluated(run_dir, '480', 19), evaluated(run_dir, '60', 3, episodes=7)
    (run_dir / 'eval' / 'success.png').touch()
    (good / 'bags').mkdir()
    assert lines('eval', run_dir, results=[good]) == [
        'checkpoint 480 alone: 19 of 20 episodes succeeded',
        f'episodes: runs/lift/eval/{good.name}/episodes.csv; failed ones: '
        f'runs/lift/eval/{good.name}/bags',
        'picture: runs/lift/eval/success.png',
        'next: ./cell report runs/lift',
    ]
    found = lines('eval', run_dir, 'sim:=false', 'seed:=3', results=[good, cut])
    assert found[2] == (
        'checkpoint 60 alone: 3 of 7 episodes succeeded (interrupted after 7 of 20; the same '
        'command goes on)'
    )
    assert found[-1] == 'next: ./cell train run:=lift sim:=false'
    assert lines('eval', run_dir, results=[run_dir / 'eval' / 'none']) == [
        'none: no episode was finished'
    ]
    assert lines('eval', run_dir, results=[good], failed=True, since=time.time_ns() + 10**9) == []


@pytest.mark.parametrize('command', ['record', 'train', 'eval'])
def test_the_next_command_has_only_options_that_it_takes(command):
    words = ['sim:=false', 'run:=a', 'demos:=x', 'driver.max_speed:=1.5', 'keep:=all', 'rate:=20']
    words += ['memory_gb:=2', 'checkpoint:=5', 'run_for:=60', 'seed:=1', 'ready_time:=2']
    line = next_command(command, words, 'run:=b').split()
    assert line[:3] == ['./cell', command, 'run:=b']
    assert 'driver.max_speed:=1.5' in line and 'rate:=20' in line and 'run:=a' not in line
    assert ('memory_gb:=2' in line) == (command != 'eval')
    assert not {'keep:=all', 'checkpoint:=5', 'run_for:=60', 'seed:=1'} & set(line)
    parse(command, [word for word in line[2:] if word not in ('sim:=false', 'demos:=x')])
