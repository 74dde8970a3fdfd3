"""Arguments are checked by name, kind and choice; plans hold together."""

import fcntl
from pathlib import Path

import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.command import argument_texts
from hilserl_actor.bringup.plan import make_plan
from hilserl_actor.evaluation.report import FORMAT, write
from hilserl_core.contract.tasks import make_task
from so101_node.errors import CellError
from so101_node.verb import run

REAL = ['sim:=false', 'follower_port:=/dev/f', 'follower_calibration:=/f.json']


def plan(command, *words):
    return make_plan(command, arguments.parse(command, list(words)))


def parameters(a_plan, executable):
    (node,) = [n for n in a_plan.nodes if n.executable == executable]
    return node.parameters


@pytest.mark.parametrize(
    'word, sentence',
    [
        ('foo:=1', 'train has no argument foo; it takes: actors'),
        ('foo', 'not of the form name:=value'),
        ('sim:=maybe', 'sim:=maybe is not one of true, false'),
        ('run_for:=soon', 'run_for:=soon is not a number'),
        ('run_for:=nan', 'out of range'),
        ('seed:=1.5', 'seed:=1.5 is not a whole number'),
        ('run_for:=-1', 'out of range'),
        ('run:=../x', 'not a name'),
        ('start:=demos', 'needs demos:='),
        ('start:=pretrained', 'go together'),
        ('sim:=false', 'sim:=false needs follower_port'),
        ('follower_port:=/dev/x', 'add sim:=false'),
        ('policy:=x', 'no argument policy'),
        ('algorithm:=sac', 'algorithm:=sac is not one of cell, drqv2'),
        ('agent_options:=hiden=3', 'is not NAME=VALUE with one of'),
        ('sigma:=loud', "sigma 'loud' is neither"),
        ('pretrain_updates:=some', 'neither auto nor a whole number'),
        ('actors:=a,b', 'lacks this cell itself: start it with namespace:=a'),
        ('camera_calibration:=/c.yaml', 'add sim:=false'),
    ],
)
def test_a_mistake_is_one_sentence(word, sentence):
    with pytest.raises(CellError, match='.') as error:
        plan('train', word)
    assert sentence in str(error.value)
    assert '\n' not in str(error.value)


def test_a_mistake_ends_the_command_with_1_and_starts_nothing(capsys):
    assert run(['train', 'foo:=1']) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith('cell train: train has no argument foo')
    assert captured.out == ''


def test_every_argument_is_described_and_its_default_is_allowed():
    for command in arguments.COMMANDS:
        values, declared = (arguments.resolve(command, {}), arguments.arguments(command))
        assert set(values) == {a.name for a in declared}
        assert all(a.description in argument_texts(command) for a in declared)


def test_the_simulated_cell_differs_from_the_real_one_only_below_the_driver():
    sim = {n.executable for n in plan('train').nodes}
    real = {n.executable for n in plan('train', *REAL).nodes}
    assert sim - real == {'world', 'scripted_operator'}
    assert real - sim == {'camera'}


def test_actor_and_learner_agree_on_task_and_image_size():
    for words in ([], REAL):
        a = parameters(plan('train', *words), 'actor')
        b = parameters(plan('train', *words), 'learner')
        assert all(a[k] == b[k] for k in ('task', 'image_width', 'image_height', 'start'))


def test_one_learner_serves_two_cells_that_share_no_port(tmp_path):
    one = plan('train', f'runs_dir:={tmp_path}', 'namespace:=a', 'actors:=a,b')
    other = plan('train', f'runs_dir:={tmp_path}', 'namespace:=/b/', 'learner:=false')
    assert parameters(one, 'learner')['actors'] == 'a,b'
    assert 'learner' not in {n.executable for n in other.nodes}
    assert (
        parameters(one, 'driver')['follower_port'] != parameters(other, 'driver')['follower_port']
    )
    with pytest.raises(CellError, match='not with learner:=false'):
        plan('train', 'learner:=false', 'actors:=a', 'namespace:=a')


def test_the_real_camera_gets_its_calibration():
    assert (
        parameters(plan('train', *REAL, 'camera_calibration:=/c.yaml'), 'camera')['calibration']
        == '/c.yaml'
    )


def test_a_person_at_the_simulated_cell_has_a_hand_of_keys():
    assert parameters(plan('record', 'operator:=person'), 'operator')['hand']
    assert not parameters(plan('record'), 'operator')['hand']
    assert not parameters(plan('record', *REAL), 'operator')['hand']


def test_recording_does_not_train_and_evaluation_has_no_learner(tmp_path):
    assert parameters(plan('record'), 'learner')['update_ratio'] == 0.0
    policy = tmp_path / 'policy.safetensors'
    policy.touch()
    evaluation = plan('eval', f'policy:={policy}')
    assert 'learner' not in {n.executable for n in evaluation.nodes}
    assert parameters(evaluation, 'actor')['episodes'] == 50


def test_evaluating_nothing_is_a_sentence_and_makes_nothing(tmp_path):
    with pytest.raises(CellError, match='there is no checkpoint .*name a trained run'):
        plan('eval', f'runs_dir:={tmp_path}', 'run:=nosuch')
    assert list(tmp_path.iterdir()) == []


def checkpoint(run_dir, name, content=b'x'):
    directory = run_dir / 'checkpoints' / name
    directory.mkdir(parents=True)
    (directory / 'policy.safetensors').write_bytes(content)
    return directory


def test_the_best_checkpoint_is_evaluated_and_the_latest_as_long_as_none_is_judged(tmp_path):
    run = tmp_path / 'lift'
    words = ('eval', f'runs_dir:={tmp_path}', 'run:=lift')
    for name in ('100', '200'):
        checkpoint(run, name)
    (run / 'checkpoints' / 'latest').symlink_to('200')
    assert '200 (latest) of lift' in plan(*words).note
    (run / 'checkpoints' / 'best').symlink_to('100')
    assert '100 (best) of lift' in plan(*words).note
    # the checkpoint itself: the link may turn to another one meanwhile
    assert parameters(plan(*words), 'actor')['policy'] == str(
        run / 'checkpoints' / '100' / 'policy.safetensors'
    )
    assert '200 of lift' in plan(*words, 'checkpoint:=200').note
    with pytest.raises(CellError, match='there is no checkpoint .*/300'):
        plan(*words, 'checkpoint:=300')


def finish(directory, count, episodes):
    result = {'outcome': 'success', 'seconds': 1.0, 'steps': 1, 'human_steps': 0, 'saturated': 0.0}
    write(
        {
            'format': FORMAT,
            'complete': count >= episodes,
            'results': [{'situation': i, 'episode_id': f'e{i}', **result} for i in range(count)],
        },
        directory,
    )


def test_an_interrupted_evaluation_goes_on_and_all_leaves_out_what_is_done(tmp_path):
    words = ('eval', f'runs_dir:={tmp_path}', 'run:=lift', 'checkpoint:=all', 'episodes:=3')
    for name in ('100', '200', '1000'):
        checkpoint(tmp_path / 'lift', name)

    def directories(a_plan):
        return [Path(d) for d in parameters(a_plan, 'actor')['results'].split(',')]

    first = plan(*words)
    assert [d.name.split('-')[0] for d in directories(first)] == ['100', '200', '1000']
    assert parameters(first, 'world')['situations'] == 3
    finish(directories(first)[0], 3, 3)
    finish(directories(first)[1], 2, 3)
    second = plan(*words)
    assert directories(second) == directories(first)[1:]
    assert 'evaluating 2 of 3 checkpoints of lift, from episode 3 on' in second.note
    for directory in directories(second):
        finish(directory, 3, 3)
    with pytest.raises(CellError, match='all 3 checkpoints are evaluated'):
        plan(*words)
    (again,) = directories(plan(*words[:3], 'checkpoint:=100', 'episodes:=3'))
    assert again.name.startswith('100-') and again.name.endswith('-seed0-3-2')
    (other,) = directories(plan(*words[:3], 'checkpoint:=100', 'episodes:=3', 'seed:=1'))
    assert other.name.endswith('-seed1-3')


def test_a_scripted_operator_cannot_hold_a_real_leader():
    with pytest.raises(CellError, match='simulated leader only'):
        plan('train', *REAL, 'operator:=scripted')


def test_runs_are_named_after_the_task_so_that_a_second_start_resumes(tmp_path):
    assert plan('train', f'runs_dir:={tmp_path}').run_dir == tmp_path / 'grasp_lift'
    assert plan('record', f'runs_dir:={tmp_path}').run_dir == tmp_path / 'demos'


def test_every_node_of_a_plan_is_an_entry_point_of_its_package():
    source = Path(__file__).resolve().parents[2]
    for words in ([], REAL):
        for node in plan('train', *words).nodes:
            setup = (source / node.package / 'setup.py').read_text()
            assert f"'{node.executable} = {node.package}" in setup


def test_discovery_stays_on_this_host_unless_the_person_says_otherwise(monkeypatch):
    monkeypatch.delenv('ROS_AUTOMATIC_DISCOVERY_RANGE', raising=False)
    assert plan('train').environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    assert plan('train').environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'


def test_a_run_in_use_is_refused_before_anything_starts(tmp_path):
    (tmp_path / 'busy').mkdir()
    with open(tmp_path / 'busy' / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CellError, match='run busy is in use'):
            plan('train', f'runs_dir:={tmp_path}', 'run:=busy')
        (tmp_path / 'policy').touch()
        plan('eval', f'runs_dir:={tmp_path}', 'run:=busy', f'policy:={tmp_path}/policy')
    plan('train', f'runs_dir:={tmp_path}', 'run:=busy')


def test_a_pretrained_policy_is_not_hidden_by_noise_unless_that_is_meant():
    words = ('start:=pretrained', 'pretrained:=/p.safetensors')
    assert parameters(plan('train', *words), 'learner')['sigma'] == ''
    for loud in ('sigma:=0.31', 'sigma:=linear(0.1,0.5,100)'):
        with pytest.raises(CellError, match='say allow_high_sigma:=true'):
            plan('train', *words, loud)
    allowed = plan('train', *words, 'sigma:=0.5', 'allow_high_sigma:=true')
    assert parameters(allowed, 'actor')['sigma'] == '0.5'
    assert parameters(allowed, 'learner')['sigma'] == '0.5'
    assert parameters(plan('train', 'sigma:=0.5'), 'learner')['start'] == 'scratch'


def test_pretrain_updates_are_the_presets_unless_given():
    assert 'pretrain_updates' not in parameters(plan('train'), 'learner')
    given = plan('train', 'demos:=/d', 'pretrain_updates:=50')
    assert parameters(given, 'learner')['pretrain_updates'] == 50


def test_the_fk_service_is_started_with_what_the_task_defines_of_it():
    task = make_task('grasp_lift', '', rate=20.0)
    given = parameters(plan('train', 'rate:=20'), 'kinematics')
    assert given == {
        'action_scale': task.action_scale,
        'gripper_step': task.gripper_step,
        'box_min': list(task.box_min),
        'box_max': list(task.box_max),
    }
