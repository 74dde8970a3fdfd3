"""Runs `./cell train`, `record`, `eval` and `preflight` with their `name:=value` arguments.

Each ends with its result and the next step, also after Ctrl-C.
"""

from argparse import ArgumentParser
import os
import shlex
import shutil
import time

from so101_node.output import keep_going_without_output, output_is_gone
from so101_node.shared_memory import remove_shared_memory_of_the_dead

from . import arguments
from .first_session import stages
from .keystore import require_security_if_enabled
from .launched import Launched
from .plan import make_plan
from .supervisor import Supervisor


def add_arguments(parser: ArgumentParser, command: str) -> None:
    """Declare the arguments of a command; --help describes each option."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = arguments.help_text(command)


def run(command: str, words: list[str]) -> int:
    """Run the cell to its end, or a whole first session; return the exit code."""
    keep_going_without_output()
    session = stages(arguments.parse(command, words), words)
    if not session:
        return _run_one(command, words)[0]
    _say('first session of this run: demonstrations, learning, and a trial of the policy alone')
    _say('start:=scratch trains without demonstrations; Ctrl-C ends, the same command goes on')
    for number, stage in enumerate(session, 1):
        _say(f'part {number} of {len(session)}: {stage.sentence}')
        _say(f'  {shlex.join(["./cell", stage.command, *stage.words])}')
        code, stopped = _run_one(stage.command, stage.words)
        if code or stopped:
            return code
    return 0


def _run_one(command: str, words: list[str]) -> tuple[int, bool]:
    """Run one command; return its exit code, and whether a person stopped it."""
    given = arguments.parse(command, words)
    plan = make_plan(given)
    require_security_if_enabled(os.environ)
    remove_shared_memory_of_the_dead()
    ros2 = os.environ.get('ROS_DISTRO') and shutil.which('ros2')
    cell = Launched(ros2, command, words) if ros2 else Supervisor(plan)
    since = time.time_ns()
    code = cell.run()
    from .result_lines import result_lines  # it takes time, and the start must not

    schema = given.node('actor').schema()
    for line in result_lines(command, plan, schema, words, since, code != 0):
        _say(line)
    return code, bool(cell.signalled) or output_is_gone()


def _say(line: str) -> None:
    print(f'cell: {line}', flush=True)
