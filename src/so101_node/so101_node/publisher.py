"""A publisher of a topic: its node, its process, its host. Free of ROS."""

from collections.abc import Iterable
from typing import NamedTuple

GID = 16  # bytes of a DDS endpoint's id; releases of ROS 2 append zeros
_PARTICIPANT = 12  # of them: the process
_HOST = 4  # of them: vendor and host (Fast DDS)
_FAST_DDS = b'\x01\x0f'


class Publisher(NamedTuple):
    """A publisher: the full name of its node, and its DDS id."""

    node: str
    gid: bytes

    @property
    def process(self) -> bytes:
        """The id of its process."""
        return self.gid[:_PARTICIPANT]

    def described(self, own: bytes) -> str:
        """Return name and host. own: the id of a publisher of this process."""
        name = self.node[:100] or 'a node without a name yet'
        if self.gid[:2] != _FAST_DDS:
            return name
        return f'{name} on {"this" if self.gid[:_HOST] == own[:_HOST] else "another"} host'


def described(found: Iterable[Publisher], own: bytes) -> str:
    """Return names and hosts of publishers, each once, at most five. own: as in `Publisher`."""
    each = sorted({publisher.described(own) for publisher in found})
    return ', '.join(each[:5]) + (f' and {len(each) - 5} more' if len(each) > 5 else '')
