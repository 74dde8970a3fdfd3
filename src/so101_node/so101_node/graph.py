"""Who publishes on a topic: full names, hosts and ids of the publishers in the ROS graph.

The name of a node that starts or ends at this moment may not be known: it is '' then.
"""

from rclpy.node import Node

from .publisher import GID, Publisher, described

_UNKNOWN = '_NODE_NAME_UNKNOWN_'


def publishers(node: Node, topic: str) -> list[Publisher]:
    """Return the publishers of a topic (relative to the node's namespace) that are known now."""
    return [
        Publisher(
            ''
            if info.node_name == _UNKNOWN
            else f'{info.node_namespace.rstrip("/")}/{info.node_name}',
            bytes(info.endpoint_gid)[:GID],
        )
        for info in node.get_publishers_info_by_topic(topic)
    ]


def sender(info: dict[str, object]) -> bytes:
    """Return the id of a message's publisher from its message info; b'' if ROS does not tell."""
    gid = info.get('publisher_gid')
    data = gid.get('data') if isinstance(gid, dict) else None
    return bytes(data)[:GID] if data else b''


def own_id(node: Node) -> bytes:
    """Return the id of a publisher of this node; b'' if none is known yet."""
    name = node.get_fully_qualified_name()
    return next((p.gid for p in publishers(node, '/rosout') if p.node == name), b'')


def publisher_names(node: Node, topic: str) -> str:
    """Return names and hosts of a topic's publishers, at most five."""
    return described(publishers(node, topic), own_id(node))
