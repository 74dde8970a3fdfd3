"""The installed nodes with their options, found through entry points.

A package that is not installed adds no node, so an arm's computer needs no learner.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from so101_node.errors import CellError
from so101_node.names import CAMERA_NODE, role_of
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
    """Return the type of the node of that name; raises CellError if its package is not built.

    Every camera is of the type of the node `camera`, as `front_camera` is.
    """
    try:
        return node_types()[CAMERA_NODE if role_of(name) else name]
    except KeyError:
        raise CellError(f'there is no node {name} here; run ./cell setup') from None


def is_node(name: str) -> bool:
    """Return whether a cell can have a node of that name."""
    return (CAMERA_NODE if role_of(name) else name) in node_types()


def owners(name: str, node: str = '') -> list[str]:
    """Return the nodes that have the option; node: only this one, '' for every one."""
    nodes = [node] if node and is_node(node) else [] if node else node_types()
    return [owner for owner in nodes if name in options_of(node_type(owner).options)]
