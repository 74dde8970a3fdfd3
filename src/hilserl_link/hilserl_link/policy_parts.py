"""A policy in parts, so that other messages pass between them on a slow line. Without loss.

Both sides keep the policy before. If its message is as long, only the differences of the bytes go
over the line: updates change a weight by little, so most of them are small numbers. The next
policy is sent when the other side has the one before. A packer and a joiner belong to one
connection.
"""

import numpy as np
import zstandard

from so101_node.errors import CellError

from .wire import CHUNK, MAX_POLICY, Policy

LEVEL = 1  # a higher level gains 1 % and takes much longer
WHOLE, DIFFERENCE = b'\0', b'\1'  # the first byte of a packed policy: the way
_WEIGHT = 2  # bytes: half precision; low and high bytes are packed apart


class PolicyPacker:
    """Packs the policies of one connection, in order."""

    def __init__(self) -> None:
        self._before = b''

    def parts_of(self, version: int, message: bytes) -> list[Policy]:
        """Return the parts of the next policy. message: a serialised Weights message."""
        packed = WHOLE + zstandard.compress(message, LEVEL)
        if len(message) == len(self._before):
            difference = _numbers(message) - _numbers(self._before)  # modulo 256
            places = np.concatenate([difference[i::_WEIGHT] for i in range(_WEIGHT)])
            other = zstandard.compress(places.tobytes(), LEVEL)
            packed = min(packed, DIFFERENCE + other, key=len)
        self._before = message
        return [
            Policy(version, len(packed), offset, packed[offset : offset + CHUNK])
            for offset in range(0, len(packed), CHUNK)
        ]


class PolicyParts:
    """Joins the parts of one policy after another."""

    def __init__(self) -> None:
        self._version, self._parts, self._before = -1, bytearray(), b''

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
        packed, self._parts = bytes(self._parts), bytearray()
        try:
            self._before = _unpacked(packed, self._before)
        except (CellError, zstandard.ZstdError) as error:
            raise CellError(f'policy {part.version} is damaged: {error}') from error
        return self._before


def _unpacked(packed: bytes, before: bytes) -> bytes:
    way, content = packed[:1], packed[1:]
    if not 0 <= zstandard.frame_content_size(content) <= MAX_POLICY:
        raise CellError('it has no size, or one over the limit')
    data = zstandard.decompress(content, max_output_size=MAX_POLICY)
    if way == WHOLE:
        return data
    if way != DIFFERENCE:
        raise CellError(f'it is of an unknown kind {way!r}')
    if len(data) != len(before):
        raise CellError('it is the difference from a policy of another length')
    found, places, end = np.empty(len(data), np.uint8), _numbers(data), 0
    for i in range(_WEIGHT):
        place = found[i::_WEIGHT]
        place[:] = places[end : end + len(place)]
        end += len(place)
    return (found + _numbers(before)).tobytes()


def _numbers(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8)
