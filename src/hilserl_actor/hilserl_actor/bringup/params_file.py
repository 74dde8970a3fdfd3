"""Reads an ordinary ROS parameter file for the nodes of a cell.

The keys are `/**:` (every node that has the option) and `NODE:`, each with `ros__parameters:`. An
unknown node or name is refused; rcl ignores it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from so101_node.errors import CellError
from so101_node.options import nearest, options_of

from .node_table import node_types, owners

LARGEST = 1_000_000  # bytes
EVERY = ('/**', '**')


def read_params_file(path: str, namespace: str) -> Iterator[tuple[str, str, Any]]:
    """Yield node ('' for all that have the option), option and checked value, in file order.

    Raises CellError for a file that cannot be read and for an unknown node or name.
    """
    for key, section in _load(path).items():
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
            if not having:
                known = {
                    other
                    for owner, kind in node_types().items()
                    if node in ('', owner)
                    for other in options_of(kind.options)
                }
                raise CellError(
                    f'params_file {path}: '
                    + (f'{node} has no option' if node else 'no node has an option')
                    + f' {name}{nearest(str(name), known)}'
                )
            each = options_of(node_types()[having[0]].options)[name]
            try:
                yield node, name, each.checked(value)
            except CellError as error:
                raise CellError(f'params_file {path}: {key}: {error}') from None


def _load(path: str) -> dict:
    try:
        file = Path(path).expanduser()
        if file.stat().st_size > LARGEST:
            raise CellError(
                f'params_file {path} has more than {LARGEST:,} bytes; it is not a parameter file'
            )
        data = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CellError(f'params_file {path} cannot be read: {_one_line(error)}') from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise CellError(f'params_file {path} is not a mapping of nodes to ros__parameters')
    return data


def _node(path: str, key: str, namespace: str) -> str:
    """Return the node that a key names; '' for every node."""
    if key in EVERY:
        return ''
    space, _, node = key.rpartition('/')
    if node not in node_types():
        raise CellError(
            f'params_file {path}: there is no node {key}{nearest(node, node_types())}; the nodes '
            f'are {", ".join(node_types())}'
        )
    if space.strip('/') not in ('', '**', namespace.strip('/')):
        raise CellError(
            f'params_file {path}: {key} is of another cell; this one has namespace:={namespace}'
        )
    return node


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())
