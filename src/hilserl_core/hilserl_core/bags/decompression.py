"""Decompression with limits, for our reader of bags and for the library rosbags.

A compressed frame of a few kB can unpack to many GB, whatever size it claims. rosbags unpacks
without a limit, so `bound_rosbags` replaces its decompressors by those of this module.
"""

import shutil
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any

from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag2 import reader, storage_mcap
from zstandard import ZstdDecompressor, ZstdError, frame_content_size

MAX_SIZE = 1 << 28  # bytes of one message or chunk; a raw image of 8K has 100 MB
MAX_FILE = 1 << 36  # bytes of one file in a bag
BLOCK = 1 << 20  # bytes that are unpacked at once if the frame does not say its size
FREE = 1 << 30  # bytes of disk that an unpacked file leaves free


def unpack_zstd(data: bytes | memoryview, size: int | None = None) -> bytes:
    """Unpack zstd frames. size: what their owner claims, bytes; None: not known.

    ValueError if they claim or contain more than `size` or MAX_SIZE bytes. No more than that is
    allocated.
    """
    limit, parts, total = _limit(size), [], 0
    try:
        claimed = frame_content_size(data)  # -1: not known
        if claimed > limit:
            raise ValueError(f'a zstd frame claims {claimed:,} bytes; the limit is {limit:,}')
        with ZstdDecompressor().stream_reader(data, read_across_frames=True) as stream:
            # one byte more than allowed, to notice too much
            while part := stream.read(min(max(claimed, BLOCK), limit - total + 1)):
                parts.append(part)
                total += len(part)
                if total > limit:
                    raise ValueError(f'a zstd frame has more than {limit:,} bytes')
    except ZstdError as error:
        raise ValueError(f'a zstd frame is damaged: {error}') from error
    if total < claimed:
        raise ValueError(f'a zstd frame is incomplete: it has {total:,} of {claimed:,} bytes')
    return parts[0] if len(parts) == 1 else b''.join(parts)


def unpack_lz4(data: bytes, size: int | None = None) -> bytes:
    """Unpack one lz4 frame, as `unpack_zstd` does."""
    limit = _limit(size)
    try:
        frame = LZ4FrameDecompressor()
        part: bytes = frame.decompress(data, max_length=limit + 1)
    except RuntimeError as error:
        raise ValueError(f'an lz4 frame is damaged: {error}') from error
    if len(part) > limit:
        raise ValueError(f'an lz4 frame has more than {limit:,} bytes')
    if not frame.eof:
        raise ValueError('an lz4 frame is incomplete')
    return part


def _limit(size: int | None) -> int:
    if size is not None and size > MAX_SIZE:
        raise ValueError(f'a chunk claims to have {size:,} bytes; the limit is {MAX_SIZE:,}')
    return MAX_SIZE if size is None else size


class _BoundedFile:
    """A zstd file to read from, which ends with an error at its limit or if the disk is full."""

    def __init__(self, file: Any, _mode: str):
        self._stream: Any = ZstdDecompressor().stream_reader(file, read_across_frames=True)
        self._read = 0

    def __enter__(self) -> '_BoundedFile':
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, count: int = 1 << 20) -> bytes:
        """Read at most `count` bytes."""
        try:
            data: bytes = self._stream.read(count)
        except ZstdError as error:
            raise ValueError(f'a zstd file is damaged: {error}') from error
        self._read += len(data)
        if self._read > MAX_FILE:
            raise ValueError(f'a compressed file has more than {MAX_FILE:,} bytes')
        if shutil.disk_usage(gettempdir()).free < FREE:
            raise ValueError(
                f'a compressed file has more than the {self._read:,} bytes that fit into '
                f'{gettempdir()}; free some disk space there or set TMPDIR'
            )
        return data


def bound_rosbags() -> None:
    """Replace the decompressors of rosbags, in this process."""
    storage_mcap.DECOMPRESSORS.update(
        {'zstd': lambda data, size: unpack_zstd(data, size), 'lz4': unpack_lz4}
    )
    bounded: Any = SimpleNamespace(open=_BoundedFile, decompress=unpack_zstd)
    vars(reader)['zstd'] = bounded
