"""Show an SO-101 cell in rviz: both arms, the command, the path of the tool, the box, the image.

It starts no arm: it shows a cell that runs, or a bag that is played. With gui:=true it shows the
follower as the sliders of joint_state_publisher_gui have it; no arm moves.
"""

from pathlib import Path
import tempfile

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node
import yaml

from launch import LaunchDescription

LEADER_BESIDE = ('0', '0.35', '0')  # m; where the leader is shown, from the follower
TRUE_FALSE = ['true', 'false']
ROOT = 'base_footprint'  # the URDF's root link


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'namespace', default_value='', description="The cell's namespace."
            ),
            DeclareLaunchArgument(
                'frame_prefix',
                default_value='',
                description='Put before every frame name, as in left/base_link; cells that are '
                'shown in one tf tree need different ones.',
            ),
            DeclareLaunchArgument(
                'arm',
                default_value='both',
                choices=['both', 'follower', 'leader'],
                description='The arms to show. Frames of the leader begin with leader/.',
            ),
            DeclareLaunchArgument(
                'gui',
                default_value='false',
                choices=TRUE_FALSE,
                description='Show the follower as the sliders of joint_state_publisher_gui have '
                'it, instead of a cell.',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='true',
                choices=TRUE_FALSE,
                description='Start rviz2; false: publish only tf, path and box.',
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context):
    given = context.launch_configurations
    share = Path(get_package_share_directory('so101_description'))
    namespace, arm, gui = given['namespace'], given['arm'], given['gui'] == 'true'
    prefix = given['frame_prefix'].strip('/')
    prefix = f'{prefix}/' if prefix else ''
    urdf = (share / 'urdf' / 'so101.urdf').read_text(encoding='utf-8')

    def shown(name, topic, description, frames):
        """Publish tf of an arm from a topic of joint states."""
        return Node(
            package='robot_state_publisher',
            executable='robot_state_publisher',
            name=name,
            namespace=namespace,
            parameters=[{'robot_description': urdf, 'frame_prefix': prefix + frames}],
            remappings=[('joint_states', topic), ('robot_description', description)],
        )

    def placed(frames, place):
        """Connect the tree of frames with the follower's."""
        x, y, z = place
        return Node(
            package='tf2_ros',
            executable='static_transform_publisher',
            name=f'{frames.strip("/")}_place',
            namespace=namespace,
            arguments=[
                *('--x', x, '--y', y, '--z', z),
                *('--frame-id', prefix + ROOT, '--child-frame-id', prefix + frames + ROOT),
            ],
        )

    if gui:
        sliders = Node(
            package='joint_state_publisher_gui',
            executable='joint_state_publisher_gui',
            namespace=namespace,
            remappings=[('joint_states', 'view/joint_states')],  # never a topic of a cell
        )
        nodes = [
            shown('robot_state_publisher', 'view/joint_states', 'robot_description', ''),
            sliders,
        ]
    else:
        nodes = [
            Node(
                package='so101_description',
                executable='view',
                namespace=namespace,
                parameters=[{'frame_prefix': prefix}],
            )
        ]
        if arm != 'leader':
            nodes += [
                shown('robot_state_publisher', 'follower/joint_states', 'robot_description', ''),
                shown(
                    'reference_state_publisher',
                    'follower/joint_targets',
                    'reference/robot_description',
                    'reference/',
                ),
                placed('reference/', ('0', '0', '0')),
            ]
        if arm != 'follower':
            nodes += [
                shown(
                    'leader_state_publisher',
                    'leader/joint_states',
                    'leader/robot_description',
                    'leader/',
                ),
                placed('leader/', LEADER_BESIDE),
            ]
    if given['rviz'] == 'true':
        fixed = prefix + ('leader/' if arm == 'leader' else '') + 'base_link'
        file = _rviz_file(share / 'rviz' / 'so101.rviz', prefix)
        nodes.append(
            Node(
                package='rviz2',
                executable='rviz2',
                namespace=namespace,
                arguments=['-d', file, '-f', fixed],
            )
        )
    return nodes


def _rviz_file(path, prefix):
    """Return a file of rviz2 whose frames have the prefix."""
    if not prefix:
        return str(path)
    data = yaml.safe_load(path.read_text(encoding='utf-8'))
    manager = data['Visualization Manager']
    manager['Global Options']['Fixed Frame'] = prefix + manager['Global Options']['Fixed Frame']
    view = manager['Views']['Current']
    view['Target Frame'] = prefix + view['Target Frame']
    for display in manager['Displays']:
        if 'TF Prefix' in display:
            display['TF Prefix'] = (prefix + display['TF Prefix']).strip('/')
        if 'Frames' in display:
            display['Frames'] = {
                frame if frame == 'All Enabled' else prefix + frame: value
                for frame, value in display['Frames'].items()
            }
    with tempfile.NamedTemporaryFile(
        'w', prefix='so101_', suffix='.rviz', delete=False, encoding='utf-8'
    ) as file:
        yaml.safe_dump(data, file, sort_keys=False)
    return file.name
