"""The command line of the next step: the options of this command that the next one takes, too."""

from collections.abc import Mapping
import os
from pathlib import Path
import shlex

from so101_node.options import Option, options_of

from .arguments import NOT_STARTED
from .node_table import node_type, owners
from .options import CellOptions

NEXT = 'next: '  # before the command line of the next step
# They are of one command: its run and length, and what its learner starts from.
_NOT_CARRIED = ('run', 'run_for', 'run_id', 'episodes', 'seed', 'checkpoint', 'policy', 'keep')


def next_command(command: str, words: list[str], *more: str) -> str:
    """Return the line that starts `command`, with the carried words and `more` of them."""
    given = {word.partition(':=')[0] for word in more}
    carried = [word for word in carried_words(command, words) if word.split(':=')[0] not in given]
    return shlex.join(['./cell', command, *more, *carried])


def carried_words(command: str, words: list[str]) -> list[str]:
    """Return those words, name:=value, that `command` takes and that are not of one command."""
    return [word for word in words if _takes(command, word.partition(':=')[0])]


def _takes(command: str, name: str) -> bool:
    node, dot, option = name.rpartition('.')
    if option in _NOT_CARRIED or (command, name) == ('eval', 'reward'):  # a judge is not its own
        return False
    if not dot and name in options_of(CellOptions):
        return command in options_of(CellOptions)[name].verbs
    nodes = [owner for owner in owners(option, node) if owner not in NOT_STARTED.get(command, ())]
    verbs = {verb for owner in nodes for verb in _options(owner)[option].verbs}
    return bool(nodes) and (not verbs or command in verbs)


def _options(node: str) -> Mapping[str, Option]:
    return options_of(node_type(node).options)


def shown_path(path: Path) -> str:
    """Return a path as a person in this directory would write it."""
    here = Path(os.getcwd())
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
