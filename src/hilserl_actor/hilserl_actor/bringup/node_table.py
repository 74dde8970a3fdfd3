"""The installed nodes with their options, found through entry points.

A package that is not installed adds no node, so an arm's computer needs no learner.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from so101_node.errors import CellError
from so101_node.options import Options, options_of

GROUP = 'so101_node'


@dataclass(frozen=True)
class NodeType:
    """An executable of a package, and the class of its options."""

    package: str
    executable: str
    options: type[Options]


@cache
def node_types() -> dict[str, NodeType]:
    """Return every installed node by the name of its executable."""
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = point.module.partition('.')[0]
        found[point.name] = NodeType(package, point.name, point.load())
    return found


def node_type(name: str) -> NodeType:
    """Return the node of that name; raises CellError if its package is not built."""
    try:
        return node_types()[name]
    except KeyError:
        raise CellError(f'there is no node {name} here; run ./cell setup') from None


def owners(name: str, node: str = '') -> list[str]:
    """Return the nodes that have the option; node: only this one, '' for every one."""
    return [
        owner
        for owner, kind in node_types().items()
        if node in ('', owner) and name in options_of(kind.options)
    ]
