"""`./cell task`: whether the arm can do a task, and a new file that it can."""

from dataclasses import replace
import re

import pytest

from hilserl_actor.bringup.task_check import problems
from hilserl_core.contract.tasks import installed_tasks, make_task
from so101_description.model import model_hash
from so101_node import verb


@pytest.fixture(scope='module')
def schema():
    return make_task('grasp_lift', model_hash())


@pytest.mark.parametrize('name', installed_tasks())
def test_the_arm_can_do_every_installed_task(name, capsys):
    assert verb.run(['task', 'check', name]) == 0
    assert f'task {name} is valid' in capsys.readouterr().out


@pytest.mark.parametrize(
    'changes, sentence',
    [
        ({'box_max': (0.6, 0.15, 0.25)}, r'box corner \(0.6, .* mm out of reach; change box'),
        (
            {'start': (0.25, 0.0, 0.24), 'box_max': (0.35, 0.15, 0.4)},
            r'start \(.*\) m is only reachable with a pitch of',
        ),
        (
            {'start': (0.25, 0.0, -0.02), 'start_spread': 0.0, 'box_min': (0.1, -0.15, -0.02)},
            r'start \(0.25, 0, -0.02\) m .*table',
        ),
    ],
)
def test_a_pose_that_the_arm_cannot_have_is_named(schema, changes, sentence):
    found = problems(replace(schema, **changes))
    assert any(re.search(sentence, line) for line in found), found


def test_a_new_file_is_valid_and_is_never_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert verb.run(['task', 'new', 'mine']) == 0
    assert verb.run(['task', 'check', 'mine.yaml']) == 0
    (tmp_path / 'mine.yaml').write_text('changed')
    assert verb.run(['task', 'new', 'mine']) == 1
    assert (tmp_path / 'mine.yaml').read_text() == 'changed'
    assert 'mine.yaml exists already' in capsys.readouterr().err
    assert verb.run(['task', 'new', 'My Task']) == 1
    assert not (tmp_path / 'My Task.yaml').exists()


def test_show_prints_what_a_task_is(schema, capsys):
    assert verb.run(['task', 'show']) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in installed_tasks())
    assert verb.run(['task', 'show', 'grasp_lift']) == 0
    assert schema.hash in capsys.readouterr().out
    assert verb.run(['task', 'check']) == 1
    assert 'check needs the name of a task' in capsys.readouterr().err
