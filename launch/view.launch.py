"""Show the cell in rviz: the follower as it moves and what the wrist camera sees.

Starts robot_state_publisher and rviz2 beside a cell that runs already (train, record, eval, or a
`ros2 bag play`).
"""
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration


def generate_launch_description():
    source = get_package_share_directory('so101_description') + '/launch/view.launch.py'
    return LaunchDescription([
        DeclareLaunchArgument('namespace', default_value='', description='the cell\'s namespace'),
        DeclareLaunchArgument('arm', default_value='follower', choices=['follower', 'leader'],
                              description='the arm to show'),
        DeclareLaunchArgument('rviz', default_value='true', choices=['true', 'false'],
                              description='start rviz2, or only robot_state_publisher'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(source), launch_arguments={
            name: LaunchConfiguration(name) for name in ('namespace', 'arm', 'rviz')}.items()),
    ])
