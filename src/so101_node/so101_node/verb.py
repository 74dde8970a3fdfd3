"""Runs `./cell VERB`: finds the verb's module, parses arguments, prints errors, sets exit codes.

A package adds a verb with an entry point in the group `so101_verb` of its setup.py. The verb's
module has `add_arguments(parser)` and `main(options)`, which returns an exit code or None. Its
docstring is the help text; the first line of the docstring appears in `./cell --help`. A verb
imports slow modules inside these two functions, so that the list of all verbs appears quickly.
"""

import _thread
import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
import os
from pathlib import Path
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn, Protocol

from .errors import CellError, printable
from .loopback import loopback_environment

GROUP = 'so101_verb'
OK, FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141  # the last two: 128 + signal


class VerbModule(Protocol):
    """What the module of a verb has."""

    __doc__: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def main(self, options: argparse.Namespace) -> int | None:
        """Do the work; return the exit code, None for 0."""


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with the usage exit code."""
        self.exit(USAGE, f'{self.prog}: {message}; {self.prog} --help shows the arguments\n')


def verbs() -> dict[str, str]:
    """Return the module of every installed verb, sorted by name."""
    return {point.name: point.value for point in sorted(entry_points(group=GROUP))}


def load(name: str) -> VerbModule:
    """Import and return the module of one verb."""
    module: VerbModule = next(iter(entry_points(group=GROUP, name=name))).load()
    return module


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
    try:
        return _run(words[0], list(words[1:]))
    except KeyboardInterrupt as error:
        print(f'cell {words[0]}: {str(error) or "stopped"}', file=sys.stderr)
        return INTERRUPTED


def _run(name: str, rest: list[str]) -> int:
    known = verbs()
    for word in rest:
        if word.startswith('--') and (longer := f'{name}-{word[2:]}') in known:
            name = longer  # import --policy
            rest.remove(word)
            break
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
        print(f'cell {name}: {printable(error)}', file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader closed the pipe. Python flushes stdout at exit: let that go to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:  # a full disk, a path that is too long, no permission
        print(f'cell {name}: {printable(error)}', file=sys.stderr)
        return FAILED
    except MemoryError:
        print(f'cell {name}: memory ran out; close other programs and try again', file=sys.stderr)
        return FAILED


def script() -> NoReturn:
    """Run the verb that has the name of the console script: `ros2 run PACKAGE VERB`."""
    main([Path(sys.argv[0]).name, *sys.argv[1:]])


def main(words: Sequence[str]) -> NoReturn:
    """Run a verb as a process of its own, with DDS bound to loopback, and exit.

    A Ctrl-C is one sentence, whichever code it interrupts.
    """
    interrupted = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    def unraisable(found: Any) -> None:
        if isinstance(found.exc_value, KeyboardInterrupt):
            # It came where Python drops exceptions: raise it again, after this function.
            threading.Timer(0.05, _thread.interrupt_main).start()
        else:
            sys.__unraisablehook__(found)

    os.environ.update(loopback_environment(os.environ))
    sys.unraisablehook = unraisable
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        # `./cell` holds Ctrl-C back while Python starts.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        code = run(words)
    except (Exception, KeyboardInterrupt):
        if not interrupted:  # libraries replace a KeyboardInterrupt by errors of their own
            raise
        print(f'cell {" ".join(words[:1])}: stopped', file=sys.stderr)
        code = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end takes no time
    sys.exit(code)


if __name__ == '__main__':
    main(sys.argv[1:])
