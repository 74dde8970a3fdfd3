"""The header of a policy bundle, read without its tensors and without PyTorch."""

from collections.abc import Callable
from pathlib import Path
import struct

import msgspec

from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from ..contract.task import TaskSchema
from .checkpoint_names import MAX_POLICY

FORMAT = 'hilserl-policy-2'
DETECTOR_FORMAT = 'hilserl-reward-1'
MAX_HEADER = 1_000_000  # bytes of JSON before the tensors; a bundle has about 5,000


class _Header(msgspec.Struct):
    metadata: dict[str, str] = msgspec.field(name='__metadata__')


def safetensors_metadata(data: bytes, what: str = 'policy bundle') -> dict[str, str]:
    """Read the metadata in the header; CellError if the bytes are not a safetensors file.

    what: the kind of file, for the sentence.
    """
    try:
        (length,) = struct.unpack_from('<Q', data)
        if length > len(data) - 8:
            raise ValueError(f'header of {length} bytes in a file of {len(data)}')
        if length > MAX_HEADER:
            raise ValueError(f'header of {length:,} bytes, over the limit of {MAX_HEADER:,}')
        header = msgspec.json.decode(data[8 : 8 + length], type=_Header)
        return header.metadata
    except (struct.error, ValueError, RecursionError) as error:
        raise CellError(f'{what} is damaged: {str(error)[:200]}') from error


def bundle_metadata(data: bytes) -> dict[str, str]:
    """Read the metadata of a policy bundle; CellError if the bytes are none of this version."""
    metadata = safetensors_metadata(data)
    if metadata.get('format') != FORMAT:
        raise CellError(
            f'policy bundle has format {str(metadata.get("format"))[:50]!r}, this '
            f"version reads {FORMAT!r}; use a bundle that this version's learner wrote"
        )
    return metadata


def detector_metadata(data: bytes) -> dict[str, str]:
    """Read the metadata of a success detector; CellError if the bytes are none of this version."""
    metadata = safetensors_metadata(data, 'success detector')
    if metadata.get('format') != DETECTOR_FORMAT:
        raise CellError(
            f'it has format {str(metadata.get("format"))[:50]!r}, this version reads '
            f'{DETECTOR_FORMAT!r}; make a success detector with ./cell reward train'
        )
    return metadata


def require_bundle(
    path: Path,
    kind: str,
    schema: TaskSchema | None,
    metadata_of: Callable[[bytes], dict[str, str]] = bundle_metadata,
) -> None:
    """CellError unless the file has the header of a policy bundle for this task (None: any).

    metadata_of: of another kind of file.
    """
    try:
        found = TaskSchema.from_json(metadata_of(read_bytes(path, kind, MAX_POLICY))['schema'])
    except (CellError, KeyError) as error:
        text = str(error)
        raise CellError(text if str(path) in text else f'{kind} {path}: {text}') from error
    if schema and (lines := schema.differences(found)):
        raise CellError(f'{kind} {path} is of another task; ' + '; '.join(lines))
