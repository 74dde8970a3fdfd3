"""Every launch file is executed without .venv, as `ros2 launch` does, with a stub of `launch`."""

import json
from pathlib import Path
import subprocess
import sys
import textwrap

from ament_index_python.packages import get_package_share_directory
import pytest
import yaml

from hilserl_tests.source_tree import source_root

pytestmark = pytest.mark.slow

ROOT = source_root()
LAUNCH_FILES = sorted(ROOT.glob('src/*/launch/*.launch.py'))
BARE = Path(__file__).parent / 'launch_stub' / 'bare.py'


def launch(file, *words):
    """Return what `ros2 launch FILE WORD ...` would start."""
    done = subprocess.run(
        [sys.executable, BARE, file, *words], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def started(file, *words):
    found = launch(file, *words)
    assert 'error' not in found, found['error']
    return {each['name'] or each['node'].partition('/')[2]: each for each in found['nodes']}


def installed(package, name):
    return str(Path(get_package_share_directory(package)) / 'launch' / f'{name}.launch.py')


def including(tmp_path, before='', arguments=''):
    """Write a launch file of another package that includes ours; return its path."""
    file = tmp_path / 'robot.launch.py'
    file.write_text(
        textwrap.dedent(f"""
            from launch import LaunchDescription
            from launch.actions import (
                DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
            )
            from launch.launch_description_sources import PythonLaunchDescriptionSource
            from launch_ros.actions import Node, PushRosNamespace, SetParameter

            def generate_launch_description():
                train = {installed('hilserl_actor', 'train')!r}
                return LaunchDescription([
                    DeclareLaunchArgument('foo', default_value='1'),
                    {before}
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(train),
                        launch_arguments={{'runs_dir': {str(tmp_path)!r}, {arguments}}}.items(),
                    ),
                    Node(package='other', executable='gripper_light'),
                ])
        """)
    )
    return str(file)


@pytest.mark.parametrize('file', LAUNCH_FILES, ids=lambda file: f'{file.parts[-3]}-{file.name}')
def test_a_launch_file_needs_nothing_of_the_virtual_environment(file, tmp_path):
    words = [] if file.name == 'view.launch.py' else [f'runs_dir:={tmp_path}']
    found = launch(str(file), *words)
    if file.name == 'eval.launch.py':  # no policy there, and no trace
        assert 'CellError: there is no checkpoint' in found['error']
    else:
        assert found['nodes']
    for description in found.get('arguments', {}).values():
        assert description


def test_every_launch_file_is_in_its_package_and_linked_from_the_root():
    for link in sorted((ROOT / 'launch').iterdir()):
        assert link.is_symlink() and link.resolve() in LAUNCH_FILES
    for file in LAUNCH_FILES:
        assert (ROOT / 'launch' / file.name).exists()
        assert Path(installed(file.parts[-3], file.name.removesuffix('.launch.py'))).exists()


def test_what_is_ours_to_refuse_is_one_sentence(tmp_path):
    words = (f'runs_dir:={tmp_path}', 'driver.max_sped:=1')
    error = launch(installed('hilserl_actor', 'train'), *words)['error']
    assert error.startswith('CellError: train has no option driver.max_sped; did you mean')


def test_a_launch_file_with_a_scope_of_its_own_can_include_ours(tmp_path):
    """Arguments, parameters and a namespace for other nodes; some reach ours."""
    file = including(
        tmp_path,
        before="PushRosNamespace('left'), SetParameter('seed', 9), SetParameter('foreign', True),",
        arguments="'namespace': 'cell', 'max_speed': '1.5', 'learner.seed': '4'",
    )
    found = launch(file, 'foo:=2', 'bar:=3')
    assert 'error' not in found, found['error']
    nodes = {each['node'].partition('/')[2]: each for each in found['nodes']}
    light = nodes.pop('gripper_light')
    assert {node['namespace'] for node in nodes.values()} == {'/left/cell'}
    assert light['namespace'] == '/left'
    assert 'sim-train/left/cell/' in nodes['driver']['parameters']['follower_port']
    assert nodes['driver']['parameters']['max_speed'] == 1.5
    assert [nodes[name]['parameters']['seed'] for name in ('actor', 'learner')] == [9, 4]
    # The outer parameters are for the nodes of the outer file alone, as is its environment.
    assert light['global_params'] == [['seed', 9], ['foreign', True]]
    assert all(node['global_params'] == [] for node in nodes.values())
    assert 'SetParameter foreign: no node of this cell has it; it is left out' in found['log']
    assert nodes['driver']['environment']['OMP_NUM_THREADS'] == '1'
    assert light['environment'] == {}


# -- view.launch.py --------------------------------------------------------------------------


def view(*words, package='so101_description'):
    return started(installed(package, 'view'), *words)


def test_view_shows_both_arms_and_the_reference_in_one_tree_of_frames():
    found = view()
    prefixes = {
        name: each['parameters']['frame_prefix']
        for name, each in found.items()
        if each['node'] == 'robot_state_publisher/robot_state_publisher'
    }
    assert prefixes == {
        'robot_state_publisher': '',
        'leader_state_publisher': 'leader/',
        'reference_state_publisher': 'reference/',
    }
    assert ['joint_states', 'follower/joint_targets'] in found['reference_state_publisher'][
        'remappings'
    ]
    places = [found[name]['arguments'] for name in ('leader_place', 'reference_place')]
    assert [words[words.index('--frame-id') + 1] for words in places] == ['base_footprint'] * 2
    assert [words[words.index('--child-frame-id') + 1] for words in places] == [
        'leader/base_footprint',
        'reference/base_footprint',
    ]
    assert {'view', 'rviz2'} <= set(found)


def test_a_frame_prefix_holds_for_tf_and_for_rviz():
    found = view('frame_prefix:=left/', 'namespace:=left')
    assert found['robot_state_publisher']['parameters']['frame_prefix'] == 'left/'
    assert found['leader_state_publisher']['parameters']['frame_prefix'] == 'left/leader/'
    assert found['view']['parameters']['frame_prefix'] == 'left/'
    words = found['rviz2']['arguments']
    assert words[words.index('-f') + 1] == 'left/base_link'
    file = Path(words[words.index('-d') + 1])
    displays = yaml.safe_load(file.read_text())['Visualization Manager']['Displays']
    file.unlink()
    assert [each['TF Prefix'] for each in displays if 'TF Prefix' in each] == [
        'left',
        'left/leader',
        'left/reference',
    ]


def test_sliders_publish_on_no_topic_of_a_cell():
    found = view('gui:=true', 'rviz:=false')
    assert set(found) == {'robot_state_publisher', 'joint_state_publisher_gui'}
    assert {tuple(pair) for each in found.values() for pair in each['remappings']} == {
        ('joint_states', 'view/joint_states'),
        ('robot_description', 'robot_description'),
    }


def test_view_of_hilserl_actor_has_the_arguments_of_the_description():
    assert set(view('arm:=leader', package='hilserl_actor')) == {
        'view',
        'leader_state_publisher',
        'leader_place',
        'rviz2',
    }


def test_rviz_shows_what_view_publishes():
    file = Path(get_package_share_directory('so101_description')) / 'rviz' / 'so101.rviz'
    displays = yaml.safe_load(file.read_text())['Visualization Manager']['Displays']
    topics = {each[key]['Value'] for each in displays for key in each if key.endswith('Topic')}
    assert topics == {
        'robot_description',
        'leader/robot_description',
        'reference/robot_description',
        'view/tool_path',
        'view/workspace_box',
        'wrist_camera/image_raw',
    }
