"""The arguments of a command, `name:=value`, for `ros2 launch` and for `./cell` alike.

`name:=value` sets an option of the cell, or of every node that has it. `node.name:=value` sets it
for that node only. params_file:=FILE sets any of them, a bench file those of the real hardware.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from so101_driver.bench_file import NONE, find_bench, given_values, read_bench
from so101_node.errors import CellError
from so101_node.names import role_of
from so101_node.options import Option, checked, nearest, number, options_of

from .node_table import node_type, node_types, owners
from .options import NO_CAMERA, CellOptions
from .params_file import read_params_file

SUMMARIES = {
    'train': 'train a policy: it drives, a human takes over, a learner improves it from both',
    'record': 'record demonstrations: the human drives every episode',
    'eval': 'measure a policy: deterministic, the leader ignored',
    'preflight': 'check that the cell is ready; no arm moves',
}
COMMANDS = tuple(SUMMARIES)
# The nodes that a command never starts.
_LINK = {'link_client', 'link_server'}
NOT_STARTED = {
    'train': {'link_server'},
    'record': _LINK,
    'eval': {'learner', *_LINK},
    'preflight': {'learner', 'operator', 'scripted_operator', 'console', *_LINK},
}


@dataclass(frozen=True)
class GivenValue:
    """One value from the command line or a file. node: '' for every node with the option."""

    node: str
    name: str
    value: Any
    where: str  # the argument or the file that gave it
    from_file: bool = False  # a file may have values that a command does not use

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
            if each.from_file or any(map(each.reaches, nodes)):
                continue
            having = owners(each.name, each.node)
            raise CellError(
                f'{each.where} is an option of {" and ".join(having)}, which this {self.command} '
                f'does not start; leave it out' + self._other_way(having)
            )

    def _other_way(self, nodes: Iterable[str]) -> str:
        """Return how these nodes can be started, as the end of a sentence."""
        if not all(role_of(node) or node in _OF_SIMULATION for node in nodes):
            return ''
        if self.cell.sim:
            return ', or add sim:=false'
        if all(map(role_of, nodes)):
            return f', or add {" and ".join(map(role_of, nodes))} to camera:='
        return ', or add sim:=true'


_OF_SIMULATION = ('world', 'scripted_operator')


def names(command: str) -> dict[str, Option]:
    """Return every option that a command shows, each once: as `name`, or as `node.name`."""
    found = {name: each for name, each in options_of(CellOptions).items() if command in each.verbs}
    for node, kind in node_types().items():
        if node in NOT_STARTED.get(command, ()):
            continue
        for name, each in options_of(kind.options).items():
            found[name if command in each.verbs else _shown_name(node, name)] = each
    return found


def _shown_name(node: str, name: str) -> str:
    """`name` if several nodes share it, else `node.name`."""
    return name if len(owners(name)) > 1 else f'{node}.{name}'


def resolve(
    command: str, texts: Mapping[str, str], inherited: tuple[GivenValue, ...] = ()
) -> Arguments:
    """Check `texts` (name to value) against the options of `command`.

    inherited: values that all others override. Raises CellError that names the first unknown or
    forbidden one.
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
    options, from_files = _bench_values(checked(CellOptions, cell), 'camera' in cell)
    if options.params_file:
        from_files += [
            GivenValue(node, name, value, f'params_file {options.params_file}', True)
            for node, name, value in read_params_file(options.params_file, options.namespace)
        ]
    # A later value overrides an earlier one: files, then `name:=`, then `node.name:=`.
    return Arguments(
        command,
        options,
        (*inherited, *from_files, *sorted(given, key=lambda each: each.node != '')),
    )


def _bench_values(options: CellOptions, has_roles: bool) -> tuple[CellOptions, list[GivenValue]]:
    """Return the options with the path of the bench file, and the values in it.

    A simulated cell uses no bench: it must never open the port of a real arm. has_roles: whether
    the user named the cameras; if not, those of the bench are started.
    """
    if options.sim:
        if options.bench not in ('', NONE):
            raise CellError(f'bench:={options.bench} is for the real cell; add sim:=false')
        return options, []
    path = find_bench(options.bench)
    if not path:
        return options, []
    values = [
        GivenValue(node, name, value, f'bench {path}: {key}', True)
        for key, node, name, value in given_values(path)
    ]
    bench = read_bench(path)
    if bench.cameras and not has_roles:
        options = replace(options, camera=bench.roles() or (NO_CAMERA,))
    return replace(options, bench=str(path)), values


def parse(command: str, words: Iterable[str]) -> Arguments:
    """`resolve` for words of the form name:=value."""
    return resolve(command, texts_of(words))


def texts_of(words: Iterable[str]) -> dict[str, str]:
    """Return name to value of words of the form name:=value; CellError for any other word."""
    texts: dict[str, str] = {}
    for word in words:
        name, separator, text = word.partition(':=')
        if not separator or not name:
            raise CellError(f'{word!r} is not of the form name:=value')
        if name in texts:
            raise CellError(f'{name}:= is given twice')
        texts[name] = text
    return texts


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
