"""The parts of a first session, and when a command is one."""

from dataclasses import replace

from actor_support.demonstrations import SCHEMA, records
import numpy as np
import pytest

from hilserl_actor.bringup import arguments, command, supervisor
from hilserl_actor.bringup.first_session import stages
from hilserl_actor.bringup.planner import make_plan
from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.contract.steps import Outcome
from hilserl_learner.training.options import LearnerOptions
from hilserl_learner.training.run_directory import RunDirectory


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def session(*words, command='train'):
    return stages(arguments.parse(command, words), list(words))


def test_a_first_training_demonstrates_learns_and_tries_alone():
    record, train, evaluation = session()
    assert (record.command, record.words) == (
        'record',
        ['run:=grasp_lift-demos', 'episodes:=20'],
    )
    assert train.command == 'train' and 'run_for:=180' in train.words
    assert {'run:=grasp_lift', 'demos:=runs/grasp_lift-demos/bags'} <= set(train.words)
    # it learns as any run does: a cloning weight that does not fall holds the policy of its start
    assert not [word for word in train.words if 'bc' in word]
    assert (evaluation.command, evaluation.words) == (
        'eval',
        ['run:=grasp_lift', 'episodes:=20'],
    )


def test_what_was_given_reaches_the_parts_that_take_it():
    record, train, evaluation = session(
        'run:=lift', 'task:=reach', 'memory_gb:=2', 'run_for:=60', 'seed:=3', 'agent_options:=bc=1'
    )
    assert record.words == [
        'run:=lift-demos',
        'episodes:=20',
        'seed:=3',
        'task:=reach',
        'memory_gb:=2',
    ]
    assert {'run:=lift', 'run_for:=60', 'agent_options:=bc=1', 'seed:=3'} <= set(train.words)
    assert sum(word.startswith(('run_for', 'agent_options')) for word in train.words) == 2
    assert evaluation.words == ['run:=lift', 'episodes:=20', 'task:=reach']


@pytest.mark.parametrize(
    'words',
    [
        ['start:=scratch'],
        ['demos:=somewhere'],
        ['pretrained:=policy.safetensors'],
        ['learner:=false'],
        ['actors:=a', 'namespace:=a'],
        ['update_ratio:=0'],
    ],
)
def test_a_command_that_says_what_it_starts_from_is_not_a_first_session(words):
    assert session(*words) == []


def test_a_person_demonstrates_in_their_own_session_and_nobody_drives_in_its_evaluation():
    record, train, evaluation = session('operator:=person', 'task:=reach')
    assert record.words == ['run:=reach-demos', 'episodes:=10', 'operator:=person', 'task:=reach']
    assert {'operator:=person', 'ready_time:=2', 'run_for:=180'} <= set(train.words)
    assert evaluation.words == ['run:=reach', 'episodes:=10', 'task:=reach']
    assert 'ready_time:=5' in session('operator:=person', 'ready_time:=5')[1].words


@pytest.mark.parametrize('command', ['record', 'eval', 'preflight'])
def test_only_training_has_a_first_session(command):
    assert session(command=command) == []


def write_demonstration(directory, name, outcome):
    bag = None
    for step in records(outcome=outcome):
        step = replace(
            step,
            episode_id=name,
            cameras=('wrist_camera',),
            images=(np.zeros((64, 64, 3), np.uint8),),
            image_stamps=(step.stamp,),
        )
        bag = bag or new_bag(directory, SCHEMA, step)
        bag.write(step)
    bag.close()


@pytest.mark.slow
def test_an_interrupted_session_records_only_what_is_missing(tmp_path):
    bags = tmp_path / 'runs' / 'grasp_lift-demos' / 'bags'
    bags.mkdir(parents=True)
    for number in range(19):
        write_demonstration(bags, f'd{number}', Outcome.SUCCESS)
    write_demonstration(bags, 'aborted', Outcome.NONE)
    assert 'episodes:=1' in session()[0].words
    write_demonstration(bags, 'last', Outcome.SUCCESS)
    assert [stage.command for stage in session()] == ['train', 'eval']


def parameters(made, node):
    return next(spec.parameters for spec in made.nodes if spec.node == node)


def plan(*words):
    return make_plan(arguments.parse('train', words))


def test_a_resumed_run_goes_on_with_what_it_started_from(tmp_path):
    made = LearnerOptions(
        start='demos', demos=('demos',), agent_options='bc=2', pretrain_updates=7, sigma='0.2'
    )
    (tmp_path / 'demos').mkdir()
    write_demonstration(tmp_path / 'demos', 'd', Outcome.SUCCESS)
    run = RunDirectory(tmp_path / 'runs' / 'lift', SCHEMA)
    run.begin(SCHEMA, made.settings())
    run.release()
    assert session('run:=lift') == []
    resumed = plan('run:=lift')
    learner, actor = parameters(resumed, 'learner'), parameters(resumed, 'actor')
    assert learner['start'] == actor['start'] == 'demos'
    assert learner['sigma'] == actor['sigma'] == '0.2'
    assert learner['demos'] == str(tmp_path / 'demos') and learner['pretrain_updates'] == 7
    assert learner['agent_options'] == 'bc=2'
    other = parameters(plan('run:=lift', 'start:=scratch', 'agent_options:=bc=1'), 'learner')
    assert (other['start'], other['demos'], other['sigma']) == ('scratch', '', '')
    assert other['agent_options'] == 'bc=1'


class Cell:
    """Stands for the processes of a command: a demonstration at most, and the end as told."""

    ends = {}  # noqa: RUF012  command -> (exit code, signal)

    def __init__(self, plan):
        self.run_dir = plan.run_dir
        self.command = 'eval' if plan.results else plan.run_dir.name
        self.code, self.signalled = self.ends.get(self.command, (0, ''))

    def run(self):
        if self.command == 'lift-demos' and self.code == 0:
            (self.run_dir / 'bags').mkdir(parents=True)
            write_demonstration(self.run_dir / 'bags', 'd', Outcome.SUCCESS)
        return self.code


@pytest.mark.parametrize(
    'ends, parts, code, last',
    [
        ({'lift-demos': (0, 'SIGINT')}, 1, 0, 'next: ./cell train run:=lift'),
        ({'lift-demos': (1, '')}, 1, 1, 'next: ./cell train run:=lift'),
        ({'lift': (0, 'SIGINT')}, 2, 0, 'run lift: no step was recorded'),
        ({'lift': (1, '')}, 2, 1, ''),
    ],
)
def test_a_session_ends_where_a_part_fails_or_is_stopped_and_says_how_to_go_on(
    monkeypatch, capsys, ends, parts, code, last
):
    monkeypatch.setattr(supervisor, 'Supervisor', Cell)
    monkeypatch.setattr(command, 'remove_shared_memory_of_the_dead', lambda: None)
    monkeypatch.delenv('ROS_DISTRO', raising=False)
    monkeypatch.setattr(Cell, 'ends', ends)
    assert command.run('train', ['run:=lift']) == code
    printed = capsys.readouterr().out.splitlines()
    assert sum('part ' in line for line in printed) == parts
    assert last in printed[-1]
    assert sum('next: ' in line for line in printed) == ('next: ' in last)
