"""The arguments of a command, `name:=value`, for `ros2 launch` and for `./cell` alike.

`name:=value` sets an option of the cell, or of every node that has it. `node.name:=value` sets it
for that node only. params_file:=FILE sets any of them. This module depends on no option's name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from so101_node.errors import CellError
from so101_node.options import Option, checked, nearest, number, options_of

from .node_table import node_type, node_types, owners
from .options import CellOptions
from .params_file import read_params_file

SUMMARIES = {
    'train': 'train a policy: it drives, a human takes over, a learner improves it from both',
    'record': 'record demonstrations: the human drives every episode',
    'eval': 'measure a policy: deterministic, the leader ignored',
    'preflight': 'check that the cell is ready; no arm moves',
}
COMMANDS = tuple(SUMMARIES)
# The nodes that a command never starts.
_NOT_STARTED = {'eval': {'learner'}, 'preflight': {'learner', 'operator', 'scripted_operator'}}


@dataclass(frozen=True)
class GivenValue:
    """One value from the command line or a file. node: '' for every node with the option."""

    node: str
    name: str
    value: Any
    where: str  # the argument or the file that gave it

    def reaches(self, node: str) -> bool:
        """Return whether this value is for the node."""
        return self.node in ('', node) and self.name in options_of(node_type(node).options)


@dataclass(frozen=True)
class Arguments:
    """The values given to a command: the cell's options, and values for its nodes."""

    command: str
    cell: CellOptions
    given: tuple[GivenValue, ...] = ()

    def node(self, name: str, **decided: Any) -> Any:
        """Return the options of a node: defaults, then `decided`, then given values override."""
        values = dict(decided)
        for each in self.given:
            if each.reaches(name):
                values[each.name] = each.value
        return checked(node_type(name).options, values)

    def require_use(self, nodes: Iterable[str]) -> None:
        """Raise CellError for an argument of the command line that none of these nodes has."""
        nodes = set(nodes)
        for each in self.given:
            if each.where.startswith('params_file') or any(map(each.reaches, nodes)):
                continue
            having = owners(each.name, each.node)
            other = 'sim:=false' if self.cell.sim else 'sim:=true'
            raise CellError(
                f'{each.where} is an option of {" and ".join(having)}, which this {self.command} '
                f'does not start; leave it out'
                + (f', or add {other}' if set(having) <= _OF_ONE_CELL else '')
            )


_OF_ONE_CELL = {'camera', 'world', 'scripted_operator'}  # of the real one, or the simulated one


def names(command: str) -> dict[str, Option]:
    """Return every option that a command shows, each once: as `name`, or as `node.name`."""
    found = {name: each for name, each in options_of(CellOptions).items() if command in each.verbs}
    for node, kind in node_types().items():
        if node in _NOT_STARTED.get(command, ()):
            continue
        for name, each in options_of(kind.options).items():
            found[name if command in each.verbs else _shown_name(node, name)] = each
    return found


def _shown_name(node: str, name: str) -> str:
    """`name` if several nodes share it, else `node.name`."""
    return name if len(owners(name)) > 1 else f'{node}.{name}'


def resolve(command: str, texts: Mapping[str, str]) -> Arguments:
    """Check `texts` (name to value) against the options of `command`.

    Raises CellError that names the first unknown or forbidden one.
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
        elif having := owners(option_name, node):
            each = options_of(node_type(having[0]).options)[option_name]
            given.append(GivenValue(node, option_name, each.parse(text), word))
        else:
            raise CellError(
                f'{command} has no option {name}{nearest(name, names(command))}; '
                f'./cell {command} --help lists them all'
            )
    options = checked(CellOptions, cell)
    from_file: tuple[GivenValue, ...] = ()
    if options.params_file:
        from_file = tuple(
            GivenValue(node, name, value, f'params_file {options.params_file}')
            for node, name, value in read_params_file(options.params_file, options.namespace)
        )
    # A later value overrides an earlier one: file, then `name:=`, then `node.name:=`.
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
    """Return the list of options that `--help` prints: `name` first, then `node.name`."""
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
    """Return a value as it is written after `:=`."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, tuple):
        return ','.join(map(text_of, value))
    return number(value) if isinstance(value, float) else str(value)
