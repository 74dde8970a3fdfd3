"""The bench file gives the values of a real cell; whatever is given otherwise overrides it."""

import json

import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.planner import make_plan
from so101_node.errors import CellError
from so101_sim import calibration_path

BENCH = """\
version: 1
follower: {port: /dev/f, calibration: follower.json, voltage: 12}
leader: {port: /dev/l, calibration: leader.json}
cameras: {wrist: {device: /dev/video2, width: 320, height: 240, rate: 60}}
"""

REAL = ['follower_port:=/dev/f', 'follower_calibration:=/f.json']


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bench.yaml').write_text(BENCH)
    return tmp_path


def plan(command, *words):
    return make_plan(arguments.parse(command, list(words)))


def parameters(a_plan, executable):
    (node,) = [n for n in a_plan.nodes if n.executable == executable]
    return node.parameters


@pytest.mark.slow
@pytest.mark.parametrize('command', ['train', 'record'])
def test_a_real_cell_needs_no_other_word(here, command):
    made = plan(command, 'sim:=false')
    driver, camera = parameters(made, 'driver'), parameters(made, 'camera')
    assert driver['follower_port'] == '/dev/f' and driver['leader_port'] == '/dev/l'
    assert driver['follower_calibration'] == str(here / 'follower.json')
    assert driver['follower_voltage'] == 12.0
    assert camera['camera_device'] == '/dev/video2' and camera['camera_rate'] == 60.0
    actor = parameters(made, 'actor')
    assert (actor['image_width'], actor['image_height']) == (320, 240)
    assert actor['has_leader']
    assert f'values of the bench are from {here}/bench.yaml' in made.note


def test_the_command_line_overrides_a_parameter_file_which_overrides_the_bench(here):
    (here / 'params.yaml').write_text(
        'driver:\n  ros__parameters: {follower_port: /dev/p, leader_port: /dev/p2}\n'
    )
    words = ['sim:=false', 'params_file:=params.yaml', 'leader_port:=/dev/w']
    driver = parameters(plan('train', *words), 'driver')
    assert (driver['follower_port'], driver['leader_port']) == ('/dev/p', '/dev/w')
    alone = plan('train', 'sim:=false', 'leader_port:=', 'camera_width:=640')
    assert not parameters(alone, 'actor')['has_leader']
    assert parameters(alone, 'camera')['camera_width'] == 640


def test_another_bench_or_none_is_named(here):
    (here / 'other.yaml').write_text(BENCH.replace('/dev/f', '/dev/g'))
    other = plan('train', 'sim:=false', 'bench:=other.yaml')
    assert parameters(other, 'driver')['follower_port'] == '/dev/g'
    with pytest.raises(CellError, match='sim:=false needs follower_port:=...; ./cell find'):
        plan('train', 'sim:=false', 'bench:=none')
    with pytest.raises(CellError, match='bench .*nothing.yaml cannot be read'):
        plan('train', 'sim:=false', 'bench:=nothing.yaml')


def test_a_simulated_cell_uses_no_bench(here):
    made = plan('train')
    assert (
        parameters(made, 'driver')['follower_port'] != '/dev/f'
        and 'values of the bench' not in made.note
    )
    (here / 'bench.yaml').write_text('not a bench')
    plan('train')
    with pytest.raises(CellError, match='bench:=bench.yaml is for the real cell; add sim:=false'):
        plan('train', 'bench:=bench.yaml')


def test_the_run_records_the_bench_and_its_values(here):
    made = plan('train', 'sim:=false')
    told = json.loads(parameters(made, 'learner')['cell_options'])
    assert told['cell']['bench'] == str(here / 'bench.yaml')
    assert told['driver']['follower_voltage'] == 12.0


def test_a_mistake_in_the_bench_is_one_sentence_with_file_and_key(here):
    (here / 'bench.yaml').write_text('version: 1\nfollower: {prot: /dev/f}')
    with pytest.raises(CellError) as error:
        plan('train', 'sim:=false')
    assert str(error.value) == (
        f'bench {here}/bench.yaml: follower has no key prot; did you mean port?'
    )


def test_the_preflight_names_everything_that_is_missing_with_its_source(here):
    (here / 'leader.json').write_text('{"shoulder_pan": 1}')
    text = BENCH.replace('rate: 60', 'rate: 60, calibration: camera.yaml')
    (here / 'bench.yaml').write_text(text)
    with pytest.raises(CellError) as error:
        plan('preflight', 'sim:=false', 'leader_port:=/dev/l2')
    text = str(error.value)
    bench = f'bench {here}/bench.yaml'
    for part in (
        f'{bench}: follower.port: /dev/f: no such port; ',
        f'{bench}: follower.calibration: calibration {here}/follower.json cannot be read',
        'leader_port:=/dev/l2: /dev/l2: no such port; ',
        f'{bench}: leader.calibration: ',
        f'{bench}: cameras.wrist.device: /dev/video2: no such camera',
        f'{bench}: cameras.wrist.calibration: camera calibration {here}/camera.yaml cannot',
    ):
        assert part in text
    assert '\n' not in text


def test_the_preflight_of_a_bench_that_is_there_starts_its_nodes(here):
    for name in ('f', 'l', 'video2'):
        (here / name).touch()
    text = BENCH.replace('/dev/', f'{here}/')
    for arm in ('follower', 'leader'):
        text = text.replace(f'{arm}.json', calibration_path(arm))
    (here / 'bench.yaml').write_text(text)
    made = plan('preflight', 'sim:=false')
    assert [node.executable for node in made.nodes] == ['driver', 'camera', 'kinematics', 'actor']


def test_the_joint_limits_of_the_bench_reach_driver_and_fk_service(here):
    (here / 'bench.yaml').write_text(BENCH + 'joint_limits: contact\n')
    for words, limits in ((), 'contact'), (('joint_limits:=model',), 'model'):
        made = plan('train', 'sim:=false', *words)
        assert {parameters(made, n)['joint_limits'] for n in ('driver', 'kinematics')} == {limits}
    (here / 'bench.yaml').write_text(BENCH + 'joint_limits: wide\n')
    with pytest.raises(CellError, match='joint_limits: joint_limits:=wide is not one of model'):
        plan('train', 'sim:=false')


def test_the_workspace_of_the_bench_limits_the_tool_and_leaves_the_task_as_it_is(here):
    (here / 'bench.yaml').write_text(
        BENCH + 'workspace: {min: [0.12, -0.1, 0.02], table_height: 0.01}\n'
    )
    made, without = plan('train', 'sim:=false'), plan('train', 'sim:=false', 'bench:=none', *REAL)
    assert parameters(made, 'kinematics')['workspace_min'] == [0.12, -0.1, 0.02]
    assert parameters(made, 'kinematics')['workspace_max'] == [1.0, 1.0, 1.0]
    for node in ('kinematics', 'actor'):
        assert parameters(made, node)['table_height'] == 0.01
    for name in ('box_min', 'box_max'):
        assert parameters(made, 'kinematics')[name] == parameters(without, 'kinematics')[name]
    (here / 'bench.yaml').write_text(BENCH + 'workspace: {max: [0.24, 1, 1]}\n')
    with pytest.raises(CellError, match='task grasp_lift: start x 0.25 .* 0.1 to 0.24 m'):
        plan('train', 'sim:=false')
    with pytest.raises(CellError, match='a reset moves across at 0.15 m, and the workspace'):
        plan('train', 'sim:=false', 'workspace_max:=1,1,0.12')


CAMERAS = """\
version: 1
follower: {port: /dev/f, calibration: follower.json}
cameras:
  wrist: {device: 0, exposure: 12.5, white_balance: auto, power_line: 50}
  front: {device: /dev/video4, rotation: 180, calibration: front.yaml}
"""


def camera_nodes(*words):
    made = plan('train', 'sim:=false', *words)
    return {node.node: node.parameters for node in made.nodes if node.executable == 'camera'}


def test_the_cameras_of_the_bench_are_started_unless_others_are_named(here):
    (here / 'bench.yaml').write_text(CAMERAS)
    found = camera_nodes()
    wrist, front = found['camera'], found['front_camera']
    assert wrist['camera_device'] == '0' and wrist['camera_power_line'] == '50'
    assert [wrist[f'camera_{name}'] for name in ('exposure', 'white_balance', 'gain')] == [
        '12.5',
        'auto',
        'keep',
    ]
    assert (front['camera_device'], front['camera_rotation']) == ('/dev/video4', 180)
    assert front['camera_calibration'] == str(here / 'front.yaml')
    assert set(camera_nodes('camera:=wrist')) == {'camera'}
    assert not camera_nodes('camera:=none')
    (here / 'bench.yaml').write_text(CAMERAS.replace('device: 0', 'device: none, width: 424'))
    assert set(camera_nodes()) == {'front_camera'}
    made = plan('train', 'sim:=false')
    assert parameters(made, 'actor')['image_width'] == 424
    assert 'another node must publish wrist_camera/image_raw' in made.note
    (here / 'bench.yaml').write_text(CAMERAS.partition('cameras')[0])
    assert set(camera_nodes()) == {'camera'}
