"""Reads MCAP files as a stream of records. It can read a file that was not completed.

Threads decompress chunks ahead of the reader, across the ends of files. A message's data is a view
of its chunk, not a copy. Format: mcap.dev/spec.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
import struct
from typing import Any, NamedTuple
from zlib import crc32

from zstandard import ZstdDecompressor, ZstdError

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 3, 4, 5, 6, 15
PREFETCH = 8  # chunks of about 1 MiB
WORKERS = 2
MAX_SIZE = 1 << 30  # bytes; a chunk or record that claims more is damaged
# the exceptions that damaged bytes can cause, depending on their place
DAMAGE_ERRORS = (EOFError, ValueError, KeyError, struct.error, ZstdError, MemoryError)


class DamagedFile(Exception):
    """The file `file` is incomplete or damaged."""

    def __init__(self, file: Path, error: Exception):
        super().__init__(str(error) or type(error).__name__)
        self.file = file


class Schema(NamedTuple):
    """A message type, as defined in the file."""

    id: int
    name: str
    encoding: str
    text: str


class Channel(NamedTuple):
    """A topic."""

    id: int
    schema_id: int
    topic: str


class Message(NamedTuple):
    """A message's bytes, and the time of recording in ns."""

    channel_id: int
    log_time: int
    data: memoryview


def read(files: list[Path]) -> Iterator[tuple[Path, Schema | Channel | Message]]:
    """Yield the records of these files in order; DamagedFile where a file is damaged."""
    with ThreadPoolExecutor(WORKERS, 'unpack') as pool:
        waiting: deque[tuple[Path, Future]] = deque()
        source = ((file, item) for file in files for item in _chunks(file))
        more = True
        while more or waiting:
            while more and len(waiting) < PREFETCH:
                file, item = next(source, (None, None))
                if file is None or item is None:
                    more = False
                else:
                    more = not isinstance(item, Exception)
                    waiting.append((file, pool.submit(_unpack, item)))
            if not waiting:
                continue
            file, unpacked = waiting.popleft()
            for record in _parsed(file, unpacked):
                yield file, record


def _parsed(file: Path, unpacked: Future) -> Iterator[Schema | Channel | Message]:
    try:
        for opcode, start, end, data in _records(unpacked.result()):
            if opcode in _PARSE:
                yield _PARSE[opcode](data, start, end)
    except (OSError, *DAMAGE_ERRORS) as error:
        raise DamagedFile(file, error) from error


def start_time(file: Path) -> int:
    """Time of the first chunk's first message, ns, read from the chunk's header; 0 if none."""
    with file.open('rb') as stream:
        stream.seek(len(MAGIC))
        while len(head := stream.read(17)) == 17:
            opcode, length, start = struct.unpack('<BQQ', head)
            if opcode == CHUNK:
                return start
            stream.seek(length - 8, 1)
    return 0


def _chunks(file: Path) -> Iterator[tuple[int, bytes] | Exception]:
    """Yield the compressed chunks of a file. If it is damaged, the last item is the error."""
    try:
        with file.open('rb') as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise ValueError('it is not an MCAP file')
            while True:
                head = stream.read(9)
                if len(head) < 9:
                    raise EOFError('it was cut off')
                opcode, length = struct.unpack('<BQ', head)
                if opcode == DATA_END:
                    return
                if length > MAX_SIZE:
                    raise ValueError(f'a record claims to have {length:,} bytes')
                content = stream.read(length)
                if len(content) < length:
                    raise EOFError('it was cut off')
                if opcode == CHUNK:
                    yield opcode, content
                elif opcode in _PARSE:  # a record outside of chunks
                    yield opcode, head + content
    except (OSError, *DAMAGE_ERRORS) as error:
        yield error


def _unpack(item: tuple[int, bytes] | Exception) -> memoryview:
    """The records of a chunk."""
    if isinstance(item, Exception):
        raise item
    opcode, chunk = item
    if opcode != CHUNK:
        return memoryview(chunk)
    size, crc = struct.unpack_from('<QI', chunk, 16)
    if size > MAX_SIZE:
        raise ValueError(f'a chunk claims to have {size:,} bytes')
    compression, at = _text(chunk, 28)
    (length,) = struct.unpack_from('<Q', chunk, at)
    data = memoryview(chunk)[at + 8 : at + 8 + length]
    if compression == 'zstd':
        data = memoryview(ZstdDecompressor().decompress(data, size))
    elif compression:
        raise ValueError(f'its chunks are compressed by {compression}, not by zstd')
    if len(data) != size or (crc and crc32(data) != crc):
        raise ValueError('a chunk does not match its checksum or size')
    return data


def _records(data: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    at = 0
    while at < len(data):
        if at + 9 > len(data):
            raise EOFError('it was cut off')
        opcode, length = struct.unpack_from('<BQ', data, at)
        at += 9
        if at + length > len(data):
            raise EOFError('it was cut off')
        yield opcode, at, at + length, data
        at += length


def _text(data, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', data, at)
    if at + 4 + length > len(data):
        raise EOFError('it was cut off')
    return bytes(data[at + 4 : at + 4 + length]).decode(), at + 4 + length


def _schema(data, start, end) -> Schema:
    (number,) = struct.unpack_from('<H', data, start)
    name, at = _text(data, start + 2)
    encoding, at = _text(data, at)
    return Schema(number, name, encoding, _text(data, at)[0])


def _channel(data, start, end) -> Channel:
    number, schema = struct.unpack_from('<HH', data, start)
    return Channel(number, schema, _text(data, start + 4)[0])


def _message(data, start, end) -> Message:
    channel, _, log_time = struct.unpack_from('<HIQ', data, start)
    return Message(channel, log_time, data[start + 22 : end])


_PARSE: dict[int, Callable[..., Any]] = {SCHEMA: _schema, CHANNEL: _channel, MESSAGE: _message}
