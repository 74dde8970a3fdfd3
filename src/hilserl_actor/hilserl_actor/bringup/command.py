"""Runs `./cell train`, `record`, `eval` and `preflight` with their `name:=value` arguments."""

from argparse import ArgumentParser
import os
import shutil

from so101_node.output import keep_going_without_output
from so101_node.shared_memory import remove_shared_memory_of_the_dead

from . import arguments
from .keystore import require_security_if_enabled
from .plan import make_plan
from .supervisor import Supervisor


def add_arguments(parser: ArgumentParser, command: str) -> None:
    """Declare the arguments of a command; --help describes each option."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = arguments.help_text(command)


def run(command: str, words: list[str]) -> int:
    """Run the cell to its end; if a ROS distribution is sourced, `ros2 launch` runs it."""
    ros2 = os.environ.get('ROS_DISTRO') and shutil.which('ros2')
    if ros2:
        os.execv(ros2, ['ros2', 'launch', 'hilserl_actor', f'{command}.launch.py', *words])
    keep_going_without_output()
    plan = make_plan(arguments.parse(command, words))
    require_security_if_enabled(os.environ)
    remove_shared_memory_of_the_dead()
    return Supervisor(plan).run()
