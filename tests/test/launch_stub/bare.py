"""Executes a launch file as a ROS distribution's Python does: without the packages of .venv.

`python bare.py FILE WORD ...` as `ros2 launch FILE WORD ...`; prints JSON: the nodes that would be
started, the lines of the log, the arguments, or the error.
"""

import importlib.abc
import json
from pathlib import Path
import sys

# What a distribution has besides itself; rosidl's messages need numpy.
OF_A_DISTRIBUTION = {'ament_index_python', 'numpy', 'yaml', '_yaml', 'launch', 'launch_ros'}
OURS = ('so101_', 'hilserl_')


class OnlyOfADistribution(importlib.abc.MetaPathFinder):
    """Refuses the import of what only .venv has."""

    def find_spec(self, fullname, path=None, target=None):
        top = fullname.partition('.')[0]
        known = top in sys.stdlib_module_names or top in OF_A_DISTRIBUTION
        if not known and not top.startswith(OURS):
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)
        return


def main(file, *words):
    sys.meta_path.insert(0, OnlyOfADistribution())
    sys.path.insert(0, str(Path(__file__).parent))
    from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch_ros.actions import Node

    from launch import LaunchContext, execute

    sys.argv = ['ros2', 'launch', file, *words]
    context = LaunchContext(argv=words)
    given = [tuple(word.split(':=', 1)) for word in words]
    top = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=given)
    result = {}
    try:
        executed = execute(top, context)
    except Exception as error:
        result['error'] = f'{type(error).__name__}: {error}'
    else:
        result['nodes'] = [action.started for action in executed if isinstance(action, Node)]
        result['log'] = [a.kwargs['msg'] for a in executed if isinstance(a, LogInfo)]
        result['arguments'] = {
            action.name: action.description
            for action in executed
            if isinstance(action, DeclareLaunchArgument)
        }
    print(json.dumps(result))


if __name__ == '__main__':
    main(*sys.argv[1:])
