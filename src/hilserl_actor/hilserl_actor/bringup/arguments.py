"""The arguments of a command, `name:=value`, for `ros2 launch` and for `./cell` alike.

`name:=value` is an option of the cell, or of every node that has it; `node.name:=value` is one of
that node alone. params_file:=FILE gives any set of them. Nothing here knows an option's name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from so101_node.errors import CellError
from so101_node.options import Option, checked, nearest, number, options_of

from .node_table import node_type, node_types
from .options import CellOptions
from .params_file import read_params_file

SUMMARIES = {
    'train': 'train a policy: it drives, a human takes over, a learner improves it from both',
    'record': 'record demonstrations: the human drives every episode',
    'eval': 'measure a policy: deterministic, the leader ignored',
    'preflight': 'check that the cell is ready; no arm moves',
}
COMMANDS = tuple(SUMMARIES)
# What a command never starts.
_ABSENT = {'eval': {'learner'}, 'preflight': {'learner', 'operator', 'scripted_operator'}}


@dataclass(frozen=True)
class Given:
    """One value that somebody gave. node: '' if it is for every node that has the option."""

    node: str
    name: str
    value: Any
    where: str  # the words it was given by, or the file

    def reaches(self, node: str) -> bool:
        """Whether it is for this node."""
        return self.node in ('', node) and self.name in options_of(node_type(node).options)


@dataclass(frozen=True)
class Arguments:
    """What was given to a command: the cell's options, and values for its nodes."""

    command: str
    cell: CellOptions
    given: tuple[Given, ...] = ()

    def node(self, name: str, **decided: Any) -> Any:
        """The options of a node: its defaults, what bring-up decided, what was given."""
        values = dict(decided)
        for each in self.given:
            if each.reaches(name):
                values[each.name] = each.value
        return checked(node_type(name).options, values)

    def require_use(self, nodes: Iterable[str]) -> None:
        """CellError for a word of the command line that reaches none of these nodes."""
        nodes = set(nodes)
        for each in self.given:
            if each.where.startswith('params_file') or any(map(each.reaches, nodes)):
                continue
            owners = sorted(node for node in node_types() if each.reaches(node))
            other = 'sim:=false' if self.cell.sim else 'sim:=true'
            raise CellError(
                f'{each.where} is an option of {" and ".join(owners)}, which this {self.command} '
                f'does not start; leave it out'
                + (f', or add {other}' if set(owners) <= _OF_ONE_CELL else '')
            )


_OF_ONE_CELL = {'camera', 'world', 'scripted_operator'}  # of the real one, or the simulated one


def names(command: str) -> dict[str, Option]:
    """Every option that a command shows, each once: as `name`, or as `node.name`."""
    found = {name: each for name, each in options_of(CellOptions).items() if command in each.verbs}
    for node, kind in node_types().items():
        if node in _ABSENT.get(command, ()):
            continue
        for name, each in options_of(kind.options).items():
            found[name if command in each.verbs else _spelled(node, name)] = each
    return found


def _spelled(node: str, name: str) -> str:
    """`name` if several nodes share it, else `node.name`."""
    return name if len(_owners(name)) > 1 else f'{node}.{name}'


def _owners(name: str) -> list[str]:
    return [node for node, kind in node_types().items() if name in options_of(kind.options)]


def resolve(command: str, texts: Mapping[str, str]) -> Arguments:
    """Check `texts` by name against the options of `command`.

    CellError naming the first one that is unknown or not allowed.
    """
    cell, given = {}, []
    for name, text in texts.items():
        word = f'{name}:={text}'
        node, dot, option_name = name.rpartition('.')
        if not dot and name in options_of(CellOptions):
            each = options_of(CellOptions)[name]
            if command not in each.verbs:
                raise CellError(f'{command} has no option {name}; {" and ".join(each.verbs)} has')
            cell[name] = each.parse(text)
        elif owners := [owner for owner in _owners(option_name) if node in ('', owner)]:
            each = options_of(node_type(owners[0]).options)[option_name]
            given.append(Given(node, option_name, each.parse(text), word))
        else:
            raise CellError(
                f'{command} has no option {name}{nearest(name, names(command))}; '
                f'./cell {command} --help lists them all'
            )
    options = checked(CellOptions, cell)
    from_file: tuple[Given, ...] = ()
    if options.params_file:
        from_file = tuple(
            Given(node, name, value, f'params_file {options.params_file}')
            for node, name, value in read_params_file(options.params_file, options.namespace)
        )
    # A later one goes before: the file, then plain names, then those of one node.
    return Arguments(
        command, options, (*from_file, *sorted(given, key=lambda each: each.node != ''))
    )


def parse(command: str, words: Iterable[str]) -> Arguments:
    """`resolve` for words of the form name:=value."""
    texts = {}
    for word in words:
        name, separator, text = word.partition(':=')
        if not separator or not name:
            raise CellError(f'{word!r} is not of the form name:=value')
        if name in texts:
            raise CellError(f'{name}:= is given twice')
        texts[name] = text
    return resolve(command, texts)


def help_text(command: str) -> str:
    """The list of options that `--help` prints: each once, the plain ones first."""
    shown = names(command)
    plain_names = [name for name in shown if '.' not in name]
    lines = ['options:', *(_line(name, shown[name]) for name in plain_names)]
    for node in node_types():
        own = [name for name in shown if name.startswith(f'{node}.')]
        if own:
            lines += ['', f'options of {node}:', *(_line(name, shown[name]) for name in own)]
    return '\n'.join(lines)


def _line(name: str, each: Option) -> str:
    return f'  {name}:={text_of(each.default)}\n      {each.described()}'


def text_of(value: Any) -> str:
    """A value as it is written behind `:=`."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, tuple):
        return ','.join(map(text_of, value))
    return number(value) if isinstance(value, float) else str(value)
