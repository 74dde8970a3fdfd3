"""Show the cell in rviz. Arguments are those of so101_description's file."""

from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription


def generate_launch_description():
    source = get_package_share_directory('so101_description') + '/launch/view.launch.py'
    return LaunchDescription([IncludeLaunchDescription(PythonLaunchDescriptionSource(source))])
