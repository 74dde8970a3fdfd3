"""A policy in parts, so that other messages pass between them on a slow line."""

import zstandard

from so101_node.errors import CellError

from .wire import CHUNK, MAX_POLICY, Policy

LEVEL = 1  # weights hardly compress, and a higher level takes much longer


def parts_of(version: int, message: bytes) -> list[Policy]:
    """Return the parts of a serialised Weights message."""
    packed = zstandard.compress(message, LEVEL)
    return [
        Policy(version, len(packed), offset, packed[offset : offset + CHUNK])
        for offset in range(0, len(packed), CHUNK)
    ]


class PolicyParts:
    """Joins the parts of one policy after another."""

    def __init__(self) -> None:
        self._version, self._parts = -1, bytearray()

    def add(self, part: Policy) -> bytes | None:
        """Take the next part; return the message when it is complete. CellError if it is none."""
        if part.offset == 0:
            self._version, self._parts = part.version, bytearray()
        if (part.version, part.offset) != (self._version, len(self._parts)):
            raise CellError(f'a part of policy {part.version} came out of order')
        if not len(self._parts) + len(part.part) <= part.size <= MAX_POLICY:
            raise CellError(f'policy {part.version} has {part.size} bytes, over the limit')
        self._parts += part.part
        if len(self._parts) < part.size:
            return None
        try:
            if not 0 <= zstandard.frame_content_size(bytes(self._parts[:64])) <= MAX_POLICY:
                raise CellError(f'policy {part.version} has no size, or one over the limit')
            return zstandard.decompress(bytes(self._parts), max_output_size=MAX_POLICY)
        except zstandard.ZstdError as error:
            raise CellError(f'policy {part.version} is damaged: {error}') from error
        finally:
            self._parts = bytearray()
