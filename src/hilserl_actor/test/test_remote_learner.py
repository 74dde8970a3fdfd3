"""The plans of `./cell act` and `./cell learn`: one side each, and what they refuse."""

import subprocess
import sys

import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.learn_plan import kept_run_id, make_learn_plan
from hilserl_actor.bringup.planner import make_plan
from so101_node.errors import CellError


def parameters(plan, name):
    (node,) = [node for node in plan.nodes if node.node == name]
    return node.parameters


def act(tmp_path, *words):
    return make_plan(
        arguments.parse('train', [f'runs_dir:={tmp_path}', 'link:=127.0.0.1:9', *words])
    )


def test_the_arms_side_has_a_link_in_place_of_a_learner(tmp_path):
    plan = act(tmp_path, 'rate:=7', 'namespace:=b')
    names = {node.node for node in plan.nodes}
    assert 'link_client' in names and 'learner' not in names and 'actor' in names
    link = parameters(plan, 'link_client')
    assert link['learner_address'] == '127.0.0.1:9' and link['rate'] == 7.0
    assert link['spool_dir'] == str(tmp_path / 'grasp_lift' / 'link' / 'b')
    assert parameters(plan, 'actor')['run_id'] == ''  # that of the learner


def test_the_learners_side_has_no_arm_and_keeps_its_run_id(tmp_path):
    words = [f'runs_dir:={tmp_path}', 'run:=lift', 'listen:=127.0.0.1:9', 'update_ratio:=2']
    plan = make_learn_plan(words)
    assert [node.node for node in plan.nodes] == ['learner', 'link_server']
    assert all(node.restart for node in plan.nodes)
    learner, server = parameters(plan, 'learner'), parameters(plan, 'link_server')
    assert learner['run_id'] == server['run_id'] != ''
    assert parameters(make_learn_plan(words), 'learner')['run_id'] == learner['run_id']
    assert learner['update_ratio'] == 2.0 and server['listen'] == '127.0.0.1:9'


def test_both_sides_of_a_real_cell_have_the_size_of_its_camera(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real = ['sim:=false', f'runs_dir:={tmp_path}']
    learner = make_learn_plan([*real, 'bench:=none'])
    arm = act(
        tmp_path,
        'sim:=false',
        'bench:=none',
        'follower_port:=/dev/f',
        'follower_calibration:=/f.json',
    )
    for name in ('image_width', 'image_height'):
        values = {parameters(learner, node)[name] for node in ('learner', 'link_server')}
        values |= {parameters(arm, node)[name] for node in ('actor', 'link_client')}
        assert len(values) == 1 and values != {parameters(act(tmp_path), 'actor')[name]}


@pytest.mark.parametrize(
    'word, sentence',
    [
        ('operator:=person', 'learn has no option operator'),
        ('nonsense:=1', 'no option nonsense'),
        ('max_speed:=1', 'is an option of driver, which this train does not start'),
        ('actors:=a,b', 'over the link, cells join by themselves'),
        ('listen:=http://x', 'listen:=http://x is no address'),
        ('listen:=0.0.0.0', 'make keys with ./cell secure --link, or add insecure:=true'),
    ],
)
def test_what_a_learner_alone_cannot_have_is_one_sentence(tmp_path, monkeypatch, word, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellError, match=sentence):
        make_learn_plan([word])


def test_an_arm_without_keys_does_not_connect_beyond_this_host_unless_insecure(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellError, match='there are no keys in .*link-keys/arm'):
        make_plan(arguments.parse('train', ['link:=learner.lab']))
    plan = make_plan(arguments.parse('train', ['link:=learner.lab', 'insecure:=true']))
    assert parameters(plan, 'link_client')['without_keys'] is True


@pytest.mark.slow
def test_act_needs_an_address():
    done = subprocess.run(
        [sys.executable, '-m', 'so101_node.verb', 'act', 'run:=x'], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        'cell act: the address of the learner is missing: ./cell act learner:=HOST\n'
    )


def test_a_run_id_that_is_none_is_refused(tmp_path):
    run_id = kept_run_id(tmp_path)
    assert kept_run_id(tmp_path) == run_id
    (tmp_path / 'link' / 'run_id').write_text('no id at all!')
    with pytest.raises(CellError, match='is not an id'):
        kept_run_id(tmp_path)
    (tmp_path / 'link' / 'run_id').write_text('')
    with pytest.raises(CellError, match='is empty; delete it'):
        kept_run_id(tmp_path)


def test_a_learner_for_the_link_refuses_sros(tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    with pytest.raises(CellError, match='learn cannot run with SROS 2'):
        make_learn_plan([f'runs_dir:={tmp_path}'])
