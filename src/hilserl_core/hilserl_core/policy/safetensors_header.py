"""The header of a safetensors file, read without its tensors and without PyTorch."""

import struct

import msgspec

from so101_node.errors import CellError

MAX_HEADER = 1_000_000  # bytes of JSON before the tensors; a bundle has about 5,000


class _Header(msgspec.Struct):
    metadata: dict[str, str] = msgspec.field(name='__metadata__')


def safetensors_metadata(data: bytes) -> dict[str, str]:
    """Read the metadata in the header; CellError if the bytes are not a safetensors file."""
    try:
        (length,) = struct.unpack_from('<Q', data)
        if length > len(data) - 8:
            raise ValueError(f'header of {length} bytes in a file of {len(data)}')
        if length > MAX_HEADER:
            raise ValueError(f'header of {length:,} bytes, over the limit of {MAX_HEADER:,}')
        header = msgspec.json.decode(data[8 : 8 + length], type=_Header)
        return header.metadata
    except (struct.error, ValueError, RecursionError) as error:
        raise CellError(f'policy bundle is damaged: {str(error)[:200]}') from error
