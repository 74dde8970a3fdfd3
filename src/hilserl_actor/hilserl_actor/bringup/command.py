"""Runs `./cell train`, `record`, `eval` and `preflight` with their `name:=value` arguments.

Each ends with its result and the next step, also after Ctrl-C.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
import os
import shlex
import shutil
import time

from so101_node.output import keep_going_without_output, output_is_gone
from so101_node.shared_memory import remove_shared_memory_of_the_dead

from . import arguments
from .next_command import NEXT
from .session_part import VARIABLE, text_of_part


def add_arguments(parser: ArgumentParser, command: str) -> None:
    """Declare the arguments of a command; --help describes each option."""
    parser.add_argument('arguments', nargs='*', metavar='name:=value')
    parser.epilog = arguments.help_text(command)


def run(command: str, words: list[str]) -> int:
    """Run the cell to its end, or a whole first session; return the exit code."""
    from .first_session import stages  # here and below: --help must be quick
    from .planner import make_plan

    keep_going_without_output()
    given = arguments.parse(command, words)
    session = stages(given, words)
    if not session:
        ended = _run_one(command, words)
        _say(*ended.result)
        return ended.code
    make_plan(given)  # what the training would refuse is refused before the demonstrations
    _say(
        'first session of this run: demonstrations, learning, and a trial of the policy alone',
        'start:=scratch trains without demonstrations; Ctrl-C ends, the same command goes on',
    )
    for number, stage in enumerate(session, 1):
        os.environ[VARIABLE] = text_of_part(number, len(session))
        _say(
            f'part {number} of {len(session)}: {stage.sentence}',
            f'  {shlex.join(["./cell", stage.command, *stage.words])}',
        )
        ended = _run_one(stage.command, stage.words)
        if ended.code or ended.stopped or stage is session[-1]:
            again = shlex.join(['./cell', command, *words])
            # a session that ended while it recorded goes on by itself
            _say(*(_instead(ended.result, again) if stage.command == 'record' else ended.result))
            return ended.code
        _say(*_instead(ended.result))
    return 0


@dataclass(frozen=True)
class _Ended:
    """A command that has ended: exit code, whether a person stopped it, lines of its result."""

    code: int
    stopped: bool
    result: list[str]


def _instead(result: list[str], again: str = '') -> list[str]:
    """The lines of a result with another next step; '': without one."""
    kept = [line for line in result if not line.startswith(NEXT)]
    return [*kept, f'{NEXT}{again}'] if again else kept


def _run_one(command: str, words: list[str]) -> _Ended:
    """Run one command to its end."""
    from .keystore import require_security_if_enabled
    from .launched import Launched
    from .planner import make_plan
    from .supervisor import Supervisor

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
    result = result_lines(command, plan, schema, words, since, code != 0)
    return _Ended(code, bool(cell.signalled) or output_is_gone(), result)


def _say(*lines: str) -> None:
    for line in lines:
        print(f'cell: {line}', flush=True)
