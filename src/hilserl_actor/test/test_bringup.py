"""Arguments are checked by name, type and choice; the nodes of a plan agree."""

import fcntl
import json
import os
from pathlib import Path
import re
import subprocess
import sys

from actor_support.simulated_bench import make_policy
import msgspec
import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.arm_nodes import SIMULATED_PATIENCE
from hilserl_actor.bringup.node_table import node_types
from hilserl_actor.bringup.options import CellOptions
from hilserl_actor.bringup.planner import make_plan
from hilserl_actor.evaluation.report import report, write
from hilserl_actor.loop.episode_stats import EpisodeResult, EpisodeStats
from hilserl_core.contract.kinematics_check import BOX
from hilserl_core.contract.tasks import make_task, read_task
from hilserl_core.policy.safetensors_header import FORMAT
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_node.loopback import PROFILE
from so101_node.options import options_of
from so101_node.verb import run

REAL = ['sim:=false', 'bench:=none', 'follower_port:=/dev/f', 'follower_calibration:=/f.json']


def bundle(task='grasp_lift') -> bytes:
    """A policy bundle without tensors; the actor checks what is in the file."""
    metadata = {'format': FORMAT, 'schema': make_task(task, model_hash()).canonical()}
    header = json.dumps({'__metadata__': metadata}).encode()
    return len(header).to_bytes(8, 'little') + header


BUNDLE = bundle()


def plan(command, *words):
    return make_plan(arguments.parse(command, list(words)))


def parameters(a_plan, executable):
    (node,) = [n for n in a_plan.nodes if n.executable == executable]
    return node.parameters


@pytest.mark.parametrize(
    'word, sentence',
    [
        ('foo:=1', 'train has no option foo; ./cell train --help lists them all'),
        ('foo', 'not of the form name:=value'),
        ('sim:=maybe', 'sim:=maybe is not true or false'),
        ('run_for:=soon', 'run_for:=soon is not a number'),
        ('run_for:=nan', 'not a finite number'),
        ('seed:=1.5', 'seed:=1.5 is not a whole number'),
        ('run_for:=-1', 'out of range'),
        ('run:=../x', 'not a name'),
        ('start:=demos', 'needs demos:='),
        ('start:=pretrained', 'needs pretrained:=FILE'),
        ('sim:=false', 'sim:=false needs follower_port'),
        ('follower_port:=/dev/x', 'add sim:=false'),
        ('policy:=x', 'train has no option policy; record and eval has'),
        ('algorithm:=ppo', "algorithm is 'ppo'; it is one of cell, drqv2, sac, or"),
        ('algorithm:=no.such:Class', 'there is no module no; install its package'),
        ('agent_options:=hiden=3', 'is not NAME=VALUE with one of'),
        ('sigma:=loud', "sigma 'loud' is neither"),
        ('pretrain_updates:=some', 'is not a whole number'),
        ('actors:=a,b', 'lacks this cell itself: start it with namespace:=a'),
        ('camera_calibration:=/c.yaml', 'add sim:=false'),
        ('learner.memory:=2', 'did you mean learner.memory_gb?'),
        ('max_sped:=1', 'did you mean driver.max_speed?'),
        ('driver.max_speed:=9', 'max_speed:=9 is out of range: 0.05 to 4.7 rad/s'),
        ('checkpoint:=best', 'train has no option checkpoint; eval has'),
        ('follower_calibration:=/f.json', 'add sim:=false'),
        ('world:=nowhere', 'there is no world'),
        ('world:=hold_out', 'is for evaluations'),
        ('task:=juggle', 'there is no task'),
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
    assert captured.err.startswith('cell train: train has no option foo')
    assert captured.out == ''


def test_help_lists_every_option_of_every_node_once():
    shown = re.findall(r'^  ([a-z_.]+):=', arguments.help_text('train'), re.MULTILINE)
    assert len(shown) == len(set(shown))
    last = [name.rpartition('.')[2] for name in shown]
    every = {
        name
        for node, kind in node_types().items()
        if node != 'link_server'  # ./cell learn starts it
        for name in options_of(kind.options)
    }
    assert len(last) == len(set(last)) and every <= set(last)
    assert {'update_ratio', 'driver.max_speed', 'learner.memory_gb', 'actor.max_image_age'} <= set(
        shown
    )


def test_nodes_that_have_an_option_of_one_name_share_it():
    found = {}
    for kind in node_types().values():
        for name, each in options_of(kind.options).items():
            assert found.setdefault(name, each) == each, (kind.executable, name)
    assert not set(found) & set(options_of(CellOptions))


def test_every_option_reaches_its_node_by_each_of_its_names(tmp_path):
    for node, kind in node_types().items():
        if node == 'camera':
            continue
        for name, each in options_of(kind.options).items():
            text = arguments.text_of(each.default) or 'x'
            given = arguments.resolve('train', {f'{node}.{name}': text}).given
            assert [(g.node, g.name, g.value) for g in given] == [(node, name, each.parse(text))]
            (plain,) = arguments.resolve('train', {name: text}).given
            assert plain.reaches(node) and plain.value == each.parse(text)


def test_a_value_for_one_node_overrides_the_value_for_all(tmp_path):
    made = plan('train', 'learner.seed:=7', 'seed:=3')
    assert parameters(made, 'learner')['seed'] == 7
    assert parameters(made, 'actor')['seed'] == parameters(made, 'world')['seed'] == 3
    assert parameters(plan('train', 'memory_gb:=0.5'), 'learner')['memory_gb'] == 0.5


def test_the_simulated_cell_differs_from_the_real_one_only_in_world_camera_and_ports():
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
    with pytest.raises(CellError, match='option of learner, which this train does not start'):
        plan('train', 'learner:=false', 'actors:=a', 'namespace:=a')


def cameras(*words):
    """Return the parameters of each camera node of a real cell, by its name."""
    made = plan('train', *REAL, *words)
    return {node.node: node.parameters for node in made.nodes if node.executable == 'camera'}


def test_each_role_of_camera_is_a_node_with_its_own_values():
    found = cameras(
        'camera:=front,wrist',
        'front_camera.camera_device:=/dev/video2',
        'camera_rate:=15',
        'camera.camera_rotation:=180',
    )
    assert {name: values['camera_role'] for name, values in found.items()} == {
        'front_camera': 'front',
        'camera': 'wrist',
    }
    assert found['front_camera']['camera_device'] == '/dev/video2'
    assert found['camera']['camera_device'] == '/dev/video0'
    assert {values['camera_rate'] for values in found.values()} == {15.0}
    assert [found[name]['camera_rotation'] for name in ('camera', 'front_camera')] == [180, 0]


def test_a_parameter_file_has_values_for_each_camera(tmp_path):
    file = tmp_path / 'p.yaml'
    file.write_text('front_camera: {ros__parameters: {camera_device: /dev/video4}}')
    found = cameras('camera:=wrist,front', f'params_file:={file}')
    assert found['front_camera']['camera_device'] == '/dev/video4'
    file.write_text('front_camera: {ros__parameters: {camera_devise: /dev/video4}}')
    with pytest.raises(CellError, match='front_camera has no option camera_devise; did you mean'):
        cameras('camera:=wrist,front', f'params_file:={file}')


def test_without_a_camera_the_images_come_from_another_node_in_the_given_size():
    made = plan('train', *REAL, 'camera:=none', 'image_width:=424', 'image_height:=240')
    assert 'camera' not in {node.executable for node in made.nodes}
    assert parameters(made, 'actor')['image_width'] == 424
    assert parameters(made, 'learner')['image_height'] == 240
    assert 'another node must publish wrist_camera/image_raw' in made.note
    assert 'another node' not in plan('train', *REAL).note


TWO = ['camera:=wrist,front', 'front_camera.camera_device:=/dev/video2', 'task:=pick_place']
SMALL_FRONT = ['front_camera.camera_width:=320', 'front_camera.camera_height:=240']


def test_each_camera_of_the_task_has_a_node_or_is_that_of_another_node(tmp_path):
    assert 'another node' not in plan('train', *REAL, *TWO).note
    made = plan('train', *REAL, 'task:=pick_place')  # camera:= is wrist
    assert 'another node must publish front_camera/image_raw' in made.note
    assert 'wrist_camera' not in made.note


def test_a_camera_whose_images_do_not_fit_the_task_is_named_with_the_key_to_set(tmp_path):
    with pytest.raises(CellError) as error:
        plan('train', *REAL, *TWO, *SMALL_FRONT)
    assert str(error.value) == (
        'front_camera has images of 320x240 pixels, the task expects 640x480; add image: '
        '[320, 240] to cameras.front of the task, or change the camera'
    )
    task = read_task('pick_place')
    front = msgspec.structs.replace(task.cameras['front'], image=(320, 240))
    mine = msgspec.structs.replace(task, cameras=task.cameras | {'front': front}, sim=None)
    path = tmp_path / 'mine.yaml'
    path.write_bytes(msgspec.json.encode(mine))
    assert plan('train', *REAL, *TWO[:2], *SMALL_FRONT, f'task:={path}').nodes


def test_managed_reaches_the_nodes_of_arms_and_cameras():
    words = ['camera:=wrist,front', 'front_camera.camera_device:=/dev/video2', 'managed:=true']
    managed = {
        node.node: node.parameters['managed']
        for node in plan('train', *REAL, *words).nodes
        if 'managed' in node.parameters
    }
    assert managed == {'driver': True, 'camera': True, 'front_camera': True}
    assert parameters(plan('train'), 'driver')['managed'] is False


def test_compressed_images_come_from_another_node_only():
    words = ['camera:=none', 'image_width:=424', 'image_height:=240']
    made = plan('train', *REAL, *words, 'image_transport:=compressed')
    assert parameters(made, 'actor')['image_transport'] == 'compressed'
    assert 'another node must publish wrist_camera/image_raw/compressed' in made.note
    for given in (REAL, []):
        with pytest.raises(
            CellError, match='is for cameras of other nodes; add sim:=false camera'
        ):
            plan('train', *given, 'image_transport:=compressed')


def test_a_quarter_turn_of_the_camera_exchanges_the_sides_of_the_images_of_the_task():
    made = plan('train', *REAL, 'camera_rotation:=90', 'camera_width:=800', 'camera_height:=600')
    assert [parameters(made, 'actor')[f'image_{side}'] for side in ('width', 'height')] == [
        600,
        800,
    ]


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['camera:=wrist,front'], 'camera and front_camera have the same camera /dev/video0; set'),
        (['camera:=Front'], 'camera:=Front is no role: small letters'),
        (['camera:=none,front'], 'camera:=none,front: none goes with no role'),
        (['camera:=front,front'], 'camera:=front,front: a role is there twice'),
        (['camera_role:=front'], 'camera_role:=front: the roles are given by camera:='),
        (['camera_rotation:=45'], 'camera_rotation:=45 is not one of 0, 90, 180, 270'),
        (['camera:=none', 'camera_width:=320'], 'leave it out, or add wrist to camera:='),
        (['front_camera.camera_width:=320'], 'leave it out, or add front to camera:='),
        (['front_camera.camera_with:=320'], 'train has no option front_camera.camera_with'),
        (['sim:=true', 'camera:=none'], 'camera:=none is for the real cell; add sim:=false'),
    ],
)
def test_cameras_that_contradict_each_other_are_one_sentence(words, sentence):
    real = [word for word in REAL if 'sim:=true' not in words]
    with pytest.raises(CellError) as error:
        plan('train', *real, *words)
    assert sentence in str(error.value)


def test_the_real_camera_gets_its_calibration():
    assert (
        parameters(plan('train', *REAL, 'camera_calibration:=/c.yaml'), 'camera')[
            'camera_calibration'
        ]
        == '/c.yaml'
    )


def test_a_person_at_the_simulated_cell_moves_the_leader_by_keys():
    assert parameters(plan('record', 'operator:=person'), 'operator')['teleop'] == 'keys'
    assert parameters(plan('record'), 'operator')['teleop'] == 'scripted'
    assert parameters(plan('record', *REAL), 'operator')['teleop'] == 'leader'


@pytest.mark.parametrize(
    'words, sentence',
    [
        ([], 'to drive yourself with the keys of this terminal, add operator:=person'),
        (['operator:=person'], 'you drive with the keys'),
        ([*REAL, 'leader_port:=/dev/l', 'leader_calibration:=/l.json'], 'hold the leader'),
        (REAL, 'leader:=keys'),
        ([*REAL, 'leader:=keys'], 'you drive with the keys, here or on the page'),
    ],
)
def test_a_recording_says_how_to_drive(words, sentence):
    assert sentence in plan('record', *words).note
    assert sentence not in plan('train', *words).note


def test_recording_does_not_train_and_evaluation_has_no_learner(tmp_path):
    assert parameters(plan('record'), 'learner')['update_ratio'] == 0.0
    policy = tmp_path / 'policy.safetensors'
    policy.write_bytes(BUNDLE)
    evaluation = plan('eval', f'policy:={policy}')
    assert 'learner' not in {n.executable for n in evaluation.nodes}
    assert parameters(evaluation, 'actor')['episodes'] == 50


def test_a_file_that_is_no_policy_is_refused_before_the_cell_starts(tmp_path):
    policy = tmp_path / 'notes.txt'
    policy.write_text('no policy')
    with pytest.raises(CellError, match='notes.txt: policy bundle is damaged') as error:
        plan('eval', f'policy:={policy}')
    assert '\n' not in str(error.value)


def test_evaluating_without_a_checkpoint_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(CellError, match='there is no checkpoint .*name a trained run'):
        plan('eval', f'runs_dir:={tmp_path}', 'run:=nosuch')
    assert list(tmp_path.iterdir()) == []


def checkpoint(run_dir, name):
    directory = run_dir / 'checkpoints' / name
    directory.mkdir(parents=True)
    (directory / 'policy.safetensors').write_bytes(BUNDLE)
    return directory


def test_the_best_checkpoint_is_evaluated_or_the_latest_if_there_is_no_best(tmp_path):
    run = tmp_path / 'lift'
    words = ('eval', f'runs_dir:={tmp_path}', 'run:=lift')
    for name in ('100', '200'):
        checkpoint(run, name)
    (run / 'checkpoints' / 'latest').symlink_to('200')
    assert '200 (latest) of lift' in plan(*words).note
    (run / 'checkpoints' / 'best').symlink_to('100')
    assert '100 (best) of lift' in plan(*words).note
    # the checkpoint itself: the link may turn to another one meanwhile
    assert parameters(plan(*words), 'actor')['policies'] == str(
        run / 'checkpoints' / '100' / 'policy.safetensors'
    )
    assert '200 of lift' in plan(*words, 'checkpoint:=200').note
    with pytest.raises(CellError, match='there is no checkpoint .*/300'):
        plan(*words, 'checkpoint:=300')


def finish(directory, count, episodes):
    """Leave the results of `count` episodes of `episodes`."""
    stats = EpisodeStats()
    stats.results = [EpisodeResult(f'e{i}', 'success', 1.0, 1, 0, 0.0) for i in range(count)]
    write(report(stats, make_policy(), {'world': 'plain', 'seed': 0}, episodes), directory)


def test_an_interrupted_evaluation_continues_and_all_skips_complete_ones(tmp_path):
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


def test_a_scripted_operator_is_refused_in_a_real_cell():
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


@pytest.fixture
def own_environment(monkeypatch):
    """No setting of discovery, security or middleware."""
    for name in (
        'ROS_AUTOMATIC_DISCOVERY_RANGE',
        'ROS_STATIC_PEERS',
        'ROS_DISCOVERY_SERVER',
        'ROS_LOCALHOST_ONLY',
        'ROS_SECURITY_ENABLE',
        'ROS_SECURITY_STRATEGY',
        'RMW_IMPLEMENTATION',
        'FASTDDS_DEFAULT_PROFILES_FILE',
        'FASTRTPS_DEFAULT_PROFILES_FILE',
    ):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_every_node_of_a_plan_gets_the_loopback_profile(own_environment):
    environment = plan('train').environment
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SYSTEM_DEFAULT'
    assert environment['FASTDDS_DEFAULT_PROFILES_FILE'] == str(PROFILE)


@pytest.mark.parametrize('command', ['train', 'record', 'eval', 'preflight'])
@pytest.mark.parametrize(
    'setting',
    [
        'ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET',
        'ROS_AUTOMATIC_DISCOVERY_RANGE=SYSTEM_DEFAULT',
        'ROS_AUTOMATIC_DISCOVERY_RANGE=anywhere',
        'ROS_STATIC_PEERS=192.0.2.7',
        'ROS_DISCOVERY_SERVER=192.0.2.7:11811',
        'ROS_LOCALHOST_ONLY=0',
    ],
)
def test_other_hosts_are_refused_without_keys_unless_insecure(
    command, setting, own_environment, tmp_path
):
    (tmp_path / 'policy').write_bytes(BUNDLE)
    words = [f'policy:={tmp_path}/policy'] if command == 'eval' else []
    name, _, value = setting.partition('=')
    own_environment.setenv(name, value)
    with pytest.raises(CellError, match='every computer on the network') as error:
        plan(command, *words)
    assert setting in str(error.value) and '\n' not in str(error.value)
    environment = plan(command, *words, 'insecure:=true').environment
    assert environment.get(name, value) == value
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' not in environment
    own_environment.setenv('ROS_SECURITY_ENABLE', 'true')
    with pytest.raises(CellError, match='every computer on the network'):
        plan(command, *words)  # Permissive: nodes without keys take part
    own_environment.setenv('ROS_SECURITY_STRATEGY', 'Enforce')
    assert plan(command, *words)
    own_environment.setenv('ROS_SECURITY_ENABLE', 'True')
    with pytest.raises(CellError, match='every computer on the network'):
        plan(command, *words)  # ROS 2 knows 'true' only: nothing is secured


def test_a_run_in_use_is_refused_before_anything_starts(tmp_path):
    (tmp_path / 'busy').mkdir()
    with open(tmp_path / 'busy' / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CellError, match='run busy is in use'):
            plan('train', f'runs_dir:={tmp_path}', 'run:=busy')
        (tmp_path / 'policy').write_bytes(BUNDLE)
        plan('eval', f'runs_dir:={tmp_path}', 'run:=busy', f'policy:={tmp_path}/policy')
    plan('train', f'runs_dir:={tmp_path}', 'run:=busy')


def test_a_pretrained_policy_has_little_noise_unless_sigma_is_given(tmp_path):
    (tmp_path / 'policy').write_bytes(BUNDLE)
    words = ('start:=pretrained', f'pretrained:={tmp_path}/policy')
    assert parameters(plan('train', *words), 'learner')['sigma'] == ''
    for loud in ('sigma:=0.31', 'sigma:=linear(0.1,0.5,100)'):
        with pytest.raises(CellError, match='set allow_high_sigma:=true'):
            plan('train', *words, loud)
    allowed = plan('train', *words, 'sigma:=0.5', 'allow_high_sigma:=true')
    assert parameters(allowed, 'actor')['sigma'] == '0.5'
    assert parameters(allowed, 'learner')['sigma'] == '0.5'
    assert parameters(plan('train', 'sigma:=0.5'), 'learner')['start'] == 'scratch'


def test_pretrain_updates_are_those_of_the_start_mode_unless_given(tmp_path):
    assert parameters(plan('train'), 'learner')['pretrain_updates'] == -1
    (tmp_path / 'metadata.yaml').touch()  # so it is a bag; the learner reads it
    given = plan('train', f'demos:={tmp_path}', 'pretrain_updates:=50')
    assert parameters(given, 'learner')['pretrain_updates'] == 50


def test_the_fk_service_is_started_with_the_tasks_numbers():
    task = make_task('grasp_lift', '', rate=20.0)
    given = parameters(plan('train', 'rate:=20'), 'kinematics')
    assert {name: given[name] for name in ('action', *BOX)} == {
        'action': 'dx:0.01,dy:0.01,dz:0.01,gripper:0.1',
        'box_min': list(task.box_min),
        'box_max': list(task.box_max),
    }


def test_the_learner_receives_every_option_of_every_node(tmp_path):
    made = plan('train', f'runs_dir:={tmp_path}', 'driver.max_speed:=1.5')
    told = json.loads(parameters(made, 'learner')['cell_options'])
    assert told['command'] == 'train' and told['cell']['runs_dir'] == str(tmp_path)
    assert told['driver']['max_speed'] == 1.5
    for node in made.nodes:
        assert set(told[node.executable]) == set(options_of(node_types()[node.executable].options))


def params_file(tmp_path, text):
    path = tmp_path / 'params.yaml'
    path.write_text(text)
    return f'params_file:={path}'


def test_a_parameter_file_sets_options_and_the_command_line_overrides_it(tmp_path):
    word = params_file(
        tmp_path,
        '/**:\n  ros__parameters: {seed: 4, world: hard}\n'
        'driver:\n  ros__parameters: {max_speed: 1, locked_joints: [wrist_roll]}\n'
        '/**/learner:\n  ros__parameters: {memory_gb: 0.5}\n',
    )
    made = plan('train', word, 'seed:=5')
    assert parameters(made, 'driver')['max_speed'] == 1.0
    assert parameters(made, 'driver')['locked_joints'] == 'wrist_roll'
    assert parameters(made, 'learner')['memory_gb'] == 0.5
    for node in ('world', 'actor', 'learner', 'scripted_operator'):
        assert parameters(made, node)['seed'] == 5 and parameters(made, node)['world'] == 'hard'
    parameters(plan('record', word), 'learner')  # the same file serves another command
    plan('preflight', word)


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('drivr:\n  ros__parameters: {max_speed: 1}', 'no node drivr; did you mean driver?'),
        ('driver:\n  ros__parameters: {max_sped: 1}', 'driver has no option max_sped; did you'),
        ('/**:\n  ros__parameters: {sed: 1}', 'no node has an option sed; did you mean seed?'),
        ('driver:\n  max_speed: 1', 'driver must have one key, ros__parameters'),
        ('driver:\n  ros__parameters: {max_speed: 99}', 'driver: max_speed:=99 is out of range'),
        ('driver:\n  ros__parameters: {max_speed: [1]}', 'max_speed:=[1] is not a number'),
        ('driver:\n  ros__parameters: 3', 'is no mapping of names to values'),
        ('/other/driver:\n  ros__parameters: {max_speed: 1}', 'is of another cell'),
        ('- 1', 'is not a mapping'),
        ('driver: [', 'cannot be read'),
        ('driver:\n  ros__parameters: {1: 2}', 'driver has no option 1'),
    ],
)
def test_a_mistake_in_a_parameter_file_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(CellError) as error:
        plan('train', params_file(tmp_path, text))
    assert sentence in str(error.value) and '\n' not in str(error.value)
    with pytest.raises(CellError, match='cannot be read'):
        plan('train', f'params_file:={tmp_path}/nothing.yaml')


def test_help_imports_neither_torch_nor_rclpy():
    """`--help` must not wait for these slow imports."""
    code = (
        'import sys; from hilserl_actor.bringup import arguments; '
        "arguments.help_text('train'); sys.exit('torch' in sys.modules or 'rclpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_a_simulated_cell_never_opens_the_port_of_a_real_arm(tmp_path):
    bench = params_file(tmp_path, 'driver:\n  ros__parameters: {follower_port: /dev/ttyACM0}')
    for word in (bench, 'driver.follower_port:=/dev/ttyACM0', 'follower_port:=/dev/ttyACM0'):
        with pytest.raises(CellError, match='follower_port is for the real cell; add sim:=false'):
            plan('train', word)
    real = plan('train', bench, 'sim:=false', 'follower_calibration:=/f.json')
    assert parameters(real, 'driver')['follower_port'] == '/dev/ttyACM0'


def test_each_start_has_its_run_id_which_learner_actor_and_world_share():
    one, other = plan('train'), plan('train')
    nodes = ('actor', 'learner', 'world')
    ids = [{parameters(a_plan, node)['run_id'] for node in nodes} for a_plan in (one, other)]
    assert len(ids[0]) == len(ids[1]) == 1 and ids[0] != ids[1] and '' not in ids[0]


def test_a_given_run_id_reaches_every_node_that_has_one():
    given = plan('train', 'run_id:=mine')
    assert {n.parameters.get('run_id') for n in given.nodes} == {'mine', None}
    with pytest.raises(CellError, match='run_id'):
        plan('train', 'run_id:=no id')


def test_a_cell_without_a_learner_has_no_run_id_and_takes_its_learners():
    cell = plan('train', 'learner:=false')
    assert parameters(cell, 'actor')['run_id'] == parameters(cell, 'world')['run_id'] == ''
    assert parameters(plan('preflight'), 'actor')['run_id']


def test_joint_limits_reach_driver_kinematics_and_world():
    made = plan('train', 'joint_limits:=contact')
    for node in ('driver', 'kinematics', 'world'):
        assert parameters(made, node)['joint_limits'] == 'contact'
    with pytest.raises(CellError, match='joint_limits:=urdf is not one of model, contact'):
        plan('train', 'joint_limits:=urdf')


def test_a_start_removes_the_shared_memory_of_killed_nodes(tmp_path, monkeypatch, capsys):
    left = Path('/dev/shm/fastdds_00ffee00ffee00ff')
    left.write_bytes(b'')
    os.utime(left, (1, 1))
    monkeypatch.setattr('hilserl_actor.bringup.supervisor.Supervisor', _Ended)
    try:
        assert run(['train', 'start:=scratch', f'runs_dir:={tmp_path}']) == 0
        assert not left.exists()
    finally:
        left.unlink(missing_ok=True)


class _Ended:
    """A supervisor whose cell has ended."""

    signalled = ''

    def __init__(self, plan):
        pass

    def run(self):
        return 0


def test_only_the_nodes_of_a_simulated_cell_are_patient_with_a_busy_computer():
    simulated, real = plan('train'), plan('train', *REAL)
    assert simulated.simulated and not real.simulated
    patient = {
        node.executable: node.parameters['patience']
        for node in simulated.nodes
        if 'patience' in node.parameters
    }
    assert patient == dict.fromkeys(('world', 'driver', 'actor'), SIMULATED_PATIENCE)
    assert {n.parameters['patience'] for n in real.nodes if 'patience' in n.parameters} == {1.0}
    assert parameters(plan('train', 'patience:=1'), 'driver')['patience'] == 1.0


@pytest.mark.parametrize('word', ['patience:=10', 'driver.patience:=2', 'actor.patience:=2'])
def test_a_real_cell_keeps_its_time_limits(word):
    with pytest.raises(CellError, match=f'{word}: a real cell keeps its time limits'):
        plan('train', *REAL, word)


# --- refusals before anything starts ---------------------------------------------------------


@pytest.mark.parametrize(
    'words, sentence',
    [
        (['demos:=/nope'], 'demos: there is no complete bag in /nope; give a bag, or a directory'),
        (['pretrained:=/nope'], 'pretrained policy /nope cannot be read: No such file'),
        (['pretrained:=README.md'], 'pretrained policy README.md: policy bundle is damaged'),
        (['encoder:=README.md'], 'encoder README.md: policy bundle is damaged'),
        (['pretrained:=reach'], 'pretrained policy reach is of another task; name: grasp_lift he'),
        (['run:=old'], 'run old is of another task; name: grasp_lift here, reach there'),
    ],
)
def test_a_start_that_the_learner_would_refuse_is_refused_before_anything_starts(
    tmp_path, monkeypatch, words, sentence
):
    monkeypatch.chdir(tmp_path)
    Path('README.md').write_text('# no policy, but a text of some length')
    Path('reach').write_bytes(bundle('reach'))
    old = {
        'name': 'old',
        'task': 'reach',
        'schema_hash': '',
        'settings': {},
        'schema': make_task('reach', model_hash()).canonical(),
    }
    Path('runs/old').mkdir(parents=True)
    Path('runs/old/run.yaml').write_text(json.dumps(old))  # JSON is YAML
    before = sorted(Path().rglob('*'))
    with pytest.raises(CellError) as refused:
        plan('train', *words)
    assert str(refused.value).startswith(sentence), refused.value
    assert '\n' not in str(refused.value) and sorted(Path().rglob('*')) == before


@pytest.mark.skipif(Path('/dev/nvidiactl').exists(), reason='this computer has an NVIDIA GPU')
def test_a_gpu_that_is_not_there_is_refused_before_anything_starts():
    with pytest.raises(CellError, match='device:=cuda needs an NVIDIA GPU and its driver'):
        plan('train', 'device:=cuda')


def test_a_policy_of_another_task_is_not_evaluated(tmp_path):
    (tmp_path / 'policy').write_bytes(bundle('reach'))
    with pytest.raises(CellError, match='policy is of another task; name: grasp_lift here, reach'):
        plan('eval', f'policy:={tmp_path}/policy')
    assert plan('eval', 'task:=reach', f'policy:={tmp_path}/policy')


def test_a_refusal_of_the_bring_up_is_one_sentence_and_exit_code_1(capsys):
    assert run(['train', 'demos:=/nope']) == 1
    assert capsys.readouterr().err.startswith('cell train: demos: there is no complete bag in /no')


def test_a_real_follower_without_a_leader_arm_has_a_virtual_leader_for_the_keys():
    made = plan('record', *REAL, 'leader_port:=/dev/l', 'leader:=keys')
    assert parameters(made, 'driver')['leader_port'] == ''  # the arm of a bench file stays closed
    assert parameters(made, 'actor')['has_leader'] is True
    assert parameters(made, 'virtual_leader')['joint_limits'] == 'model'
    for node in ('operator', 'console'):
        assert parameters(made, node)['teleop'] == 'virtual_leader'
    assert not any(node.executable == 'virtual_leader' for node in plan('record', *REAL).nodes)
    with pytest.raises(CellError, match='operator:=person drives with the keys'):
        plan('record', 'leader:=keys')


def test_the_page_shows_every_camera_of_the_cell_as_its_images_come():
    def shown(*words):
        found = parameters(plan('record', *words), 'console')
        return found['shown_cameras'], found['compressed_cameras']

    assert shown() == ('wrist_camera', '')
    two = ['camera:=wrist,front', 'front_camera.camera_device:=/dev/video2']
    assert shown(*REAL, *two) == ('wrist_camera,front_camera', '')
    own = [*REAL, 'camera:=front', 'image_transport:=compressed']
    assert shown(*own) == ('front_camera', 'wrist_camera')
