"""What `./cell train`, `record`, `eval` and `preflight` do with their `name:=value` words."""

import os
import shutil

from . import arguments
from .plan import make_plan
from .supervisor import Supervisor


def add_arguments(parser, command: str) -> None:
    """Declare the words of a command; --help describes each argument."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = argument_texts(command)


def run(command: str, words: list[str]) -> int:
    """Run the cell to its end; with a ROS distribution sourced, `ros2 launch` does it instead."""
    ros2 = os.environ.get('ROS_DISTRO') and shutil.which('ros2')
    if ros2:
        os.execv(ros2, ['ros2', 'launch', 'hilserl_actor', f'{command}.launch.py', *words])
    return Supervisor(make_plan(command, arguments.parse(command, words))).run()


def argument_texts(command: str) -> str:
    """Return the list of arguments that --help prints."""
    lines = ['arguments:']
    for argument in arguments.arguments(command):
        choices = f' ({"|".join(argument.choices)})' if argument.choices else ''
        lines.append(
            f'  {argument.name}:={argument.default}{choices}\n      {argument.description}'
        )
    return '\n'.join(lines)
