"""Runs `./cell VERB`: finds the verb's module, parses arguments, prints errors, sets exit codes.

A package adds a verb with an entry point in the group `so101_verb` of its setup.py. The verb's
module has `add_arguments(parser)` and `main(options)`, which returns an exit code or None. Its
docstring is the help text; the first line of the docstring appears in `./cell --help`. A verb
imports slow modules inside these two functions, so that the list of all verbs appears quickly.
"""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
import os
from pathlib import Path
import sys
from typing import NoReturn

from .errors import CellError

GROUP = 'so101_verb'
OK, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141  # the last two: 128 + signal


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with the usage exit code."""
        self.exit(USAGE, f'{self.prog}: {message}; {self.prog} --help shows the arguments\n')


def verbs() -> dict[str, str]:
    """Return the module of every installed verb, sorted by name."""
    return {point.name: point.value for point in sorted(entry_points(group=GROUP))}


def load(name: str):
    """Import and return the module of one verb."""
    return next(iter(entry_points(group=GROUP, name=name))).load()


def parser_of(name: str) -> Parser:
    """Return the argument parser of one verb."""
    module = load(name)
    parser = Parser(
        prog=f'cell {name}',
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def overview() -> str:
    """Return one line for each verb."""
    lines = {name: load(name).__doc__.splitlines()[0] for name in verbs()}
    width = max(map(len, lines), default=0)
    return '\n'.join(f'  ./cell {name:{width}}  {line}' for name, line in lines.items())


def run(words: Sequence[str]) -> int:
    """Run `VERB [argument ...]` and return the exit code. --help and usage errors exit."""
    if not words or words[0] in ('-h', '--help', 'help'):
        print(overview())
        return OK if words else USAGE
    name, *rest = words
    known = verbs()
    if rest and f'{name}-{rest[0].removeprefix("--")}' in known and rest[0].startswith('--'):
        name, *rest = f'{name}-{rest[0].removeprefix("--")}', *rest[1:]  # import --policy
    if name not in known:
        near = get_close_matches(name, known, 1, 0.0)
        meant = f' (nearest: {near[0]})' if near else ''
        print(f'cell: there is no verb {name}{meant}; ./cell --help lists them', file=sys.stderr)
        return USAGE
    try:
        options = parser_of(name).parse_args(rest)
        code = load(name).main(options) or OK
        sys.stdout.flush()
        return code
    except CellError as error:
        print(f'cell {name}: {error}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as error:
        print(f'cell {name}: {str(error) or "stopped"}', file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe. Python flushes stdout at exit: let that go to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def script() -> NoReturn:
    """Run the verb that has the name of the console script: `ros2 run PACKAGE VERB`."""
    sys.exit(run([Path(sys.argv[0]).name, *sys.argv[1:]]))


if __name__ == '__main__':
    sys.exit(run(sys.argv[1:]))
