"""Packs steps for the wire, without loss: zstd, with the help of the step before.

What did not change since the step before is named by its place there (the step before is the
dictionary of zstd). A noisy image has no such part, but its differences from the image before are
small numbers. Each step is packed in the way that makes it smaller. Both sides keep the step
before, so a packer and an unpacker belong to one connection, which delivers in order.
"""

import numpy as np
import zstandard

from so101_node.errors import CellError

MAX_STEP = 1 << 24  # bytes
REPEATED, DIFFERENCE = b'\0', b'\1'  # the first byte of a packed step: the way
_LEVEL, _DIFFERENCE_LEVEL = 3, 1  # a higher level gains 2 % and takes four times as long


class StepPacker:
    """Packs the steps of one connection, in order."""

    def __init__(self) -> None:
        self._before = b''

    def pack(self, data: bytes) -> bytes:
        """Return the packed bytes of the next step."""
        compressor = zstandard.ZstdCompressor(_LEVEL, dict_data=_dictionary(self._before))
        packed = REPEATED + compressor.compress(data)
        if len(data) == len(self._before):
            difference = _numbers(data) - _numbers(self._before)  # modulo 256
            other = zstandard.compress(difference.tobytes(), _DIFFERENCE_LEVEL)
            packed = min(packed, DIFFERENCE + other, key=len)
        self._before = data
        return packed


class StepUnpacker:
    """Unpacks the steps of one connection, in order."""

    def __init__(self) -> None:
        self._before = b''

    def unpack(self, packed: bytes) -> bytes:
        """Return the next step; CellError if the bytes are no packed step, or too large."""
        way, content = packed[:1], packed[1:]
        try:
            if not 0 <= zstandard.frame_content_size(content) <= MAX_STEP:
                raise CellError(f'a packed step has no size, or one over the limit of {MAX_STEP}')
            dictionary = _dictionary(self._before) if way == REPEATED else None
            decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
            data = decompressor.decompress(content, max_output_size=MAX_STEP)
        except zstandard.ZstdError as error:
            raise CellError(f'a packed step is damaged: {error}') from error
        if way == DIFFERENCE:
            if len(data) != len(self._before):
                raise CellError('a packed step is the difference from a step of another length')
            data = (_numbers(self._before) + _numbers(data)).tobytes()
        elif way != REPEATED:
            raise CellError(f'a packed step is of an unknown kind {way!r}')
        self._before = data
        return data


def _numbers(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8)


def _dictionary(before: bytes) -> zstandard.ZstdCompressionDict | None:
    if not before:
        return None
    return zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
