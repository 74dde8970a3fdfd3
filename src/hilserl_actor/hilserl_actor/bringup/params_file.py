"""Reads an ordinary ROS parameter file for the nodes of a cell.

The keys are `/**:` (every node that has the option) and `NODE:`, each with `ros__parameters:`. An
unknown node or name is refused; rcl ignores it.
"""

from collections.abc import Iterator
from typing import Any

from so101_node.data_files import yaml_value
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes
from so101_node.options import nearest, options_of

from .node_table import is_node, node_type, node_types, owners

LARGEST = 1_000_000  # bytes
EVERY = ('/**', '**')


def read_params_file(
    path: str, namespace: str, foreign: bool = False
) -> Iterator[tuple[str, str, Any]]:
    """Yield node ('' for all that have the option), option and checked value, in file order.

    foreign: the file is for other nodes, too; what is not for ours is skipped. Raises CellError
    for a file that cannot be read and, if it is not foreign, for an unknown node or name.
    """
    for key, section in _load(path).items():
        if foreign and not _is_ours(str(key), namespace):
            continue
        node = _node(path, str(key), namespace)
        if not isinstance(section, dict) or set(section) != {'ros__parameters'}:
            raise CellError(f'params_file {path}: {key} must have one key, ros__parameters')
        values = section['ros__parameters']
        if not isinstance(values, dict):
            raise CellError(
                f'params_file {path}: ros__parameters of {key} is no mapping of names to values'
            )
        for name, value in values.items():
            having = owners(name, node)
            if foreign and not having:
                refuse_sim_time(name, value, path)
                continue
            if not having:
                nodes = [node] if node else node_types()
                known = {
                    other for owner in nodes for other in options_of(node_type(owner).options)
                }
                raise CellError(
                    f'params_file {path}: '
                    + (f'{node} has no option' if node else 'no node has an option')
                    + f' {name}{nearest(str(name), known)}'
                )
            each = options_of(node_type(having[0]).options)[name]
            try:
                yield node, name, each.checked(value)
            except CellError as error:
                raise CellError(f'params_file {path}: {key}: {error}') from None


def refuse_sim_time(name: object, value: object, where: str) -> None:
    """Raise CellError if a parameter of other nodes asks for simulated time."""
    if name == 'use_sim_time' and str(value).lower() == 'true':
        raise CellError(
            f'{where}: use_sim_time: this cell uses the clock of the computer, also when arms and '
            'camera are simulated; include its launch file outside of that scope'
        )


def _load(path: str) -> dict[object, Any]:
    content = read_bytes(expanded(path), 'params_file', LARGEST, 'name a parameter file')
    try:
        data = yaml_value(content)
    except ValueError as error:
        raise CellError(f'params_file {path} cannot be read: {error}') from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise CellError(f'params_file {path} is not a mapping of nodes to ros__parameters')
    return data


def _is_ours(key: str, namespace: str) -> bool:
    """Return whether a key is for a node of this cell, or for every node."""
    space, _, node = key.rpartition('/')
    return key in EVERY or (is_node(node) and _is_in(space, namespace))


def _is_in(space: str, namespace: str) -> bool:
    return space.strip('/') in ('', '**', namespace.strip('/'))


def _node(path: str, key: str, namespace: str) -> str:
    """Return the node that a key names; '' for every node."""
    if key in EVERY:
        return ''
    space, _, node = key.rpartition('/')
    if not is_node(node):
        raise CellError(
            f'params_file {path}: there is no node {key}{nearest(node, node_types())}; the nodes '
            f'are {", ".join(node_types())}'
        )
    if not _is_in(space, namespace):
        raise CellError(
            f'params_file {path}: {key} is of another cell; this one has namespace:={namespace}'
        )
    return node
