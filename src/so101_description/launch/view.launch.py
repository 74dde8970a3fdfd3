"""Show an SO-101 in rviz, following `<arm>/joint_states`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from so101_description.model import URDF_PATH


def generate_launch_description():
    share = Path(get_package_share_directory('so101_description'))
    namespace = LaunchConfiguration('namespace')
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'namespace', default_value='', description="the cell's namespace"
            ),
            DeclareLaunchArgument(
                'arm',
                default_value='follower',
                choices=['follower', 'leader'],
                description='the arm to show',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='true',
                choices=['true', 'false'],
                description='start rviz2, or only robot_state_publisher',
            ),
            Node(
                package='robot_state_publisher',
                executable='robot_state_publisher',
                namespace=namespace,
                parameters=[{'robot_description': URDF_PATH.read_text()}],
                remappings=[('joint_states', [LaunchConfiguration('arm'), '/joint_states'])],
            ),
            Node(
                package='rviz2',
                executable='rviz2',
                namespace=namespace,
                arguments=['-d', str(share / 'rviz' / 'so101.rviz')],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
