"""What `./cell train`, `record`, `eval` and `preflight` do with their `name:=value` words."""

import os
import shutil

from . import arguments
from .plan import make_plan
from .supervisor import Supervisor


def add_arguments(parser, command: str) -> None:
    """Declare the words of a command; --help describes each argument."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = arguments.help_text(command)


def run(command: str, words: list[str]) -> int:
    """Run the cell to its end; with a ROS distribution sourced, `ros2 launch` does it instead."""
    ros2 = os.environ.get('ROS_DISTRO') and shutil.which('ros2')
    if ros2:
        os.execv(ros2, ['ros2', 'launch', 'hilserl_actor', f'{command}.launch.py', *words])
    return Supervisor(make_plan(arguments.parse(command, words))).run()
