"""Reads MCAP files as a stream of records. It can read a file that was not completed.

Threads decompress chunks ahead of the reader, across the ends of files. A message's data is a view
of its chunk, not a copy. Format: mcap.dev/spec.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
import struct
from typing import NamedTuple
from zlib import crc32

from .decompression import MAX_SIZE, unpack_zstd

MAGIC = b'\x89MCAP0\r\n'
SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 3, 4, 5, 6, 15
PREFETCH = 8  # chunks of about 1 MiB
WORKERS = 2
MAX_AHEAD = 1 << 26  # bytes of unpacked chunks that wait, besides one
# the exceptions that damaged bytes can cause, depending on their place
DAMAGE_ERRORS = (EOFError, ValueError, KeyError, struct.error, OverflowError, MemoryError)


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
        waiting: deque[tuple[Path, int, Future[memoryview]]] = deque()
        ahead = 0  # bytes of the chunks in `waiting`
        source = ((file, item) for file in files for item in _chunks(file))
        more = True
        while more or waiting:
            while more and len(waiting) < PREFETCH and (not ahead or ahead < MAX_AHEAD):
                file, item = next(source, (None, None))
                if file is None or item is None:
                    more = False
                else:
                    more = not isinstance(item, Exception)
                    size = _claimed(item)
                    ahead += size
                    waiting.append((file, size, pool.submit(_unpack, item)))
            if not waiting:
                continue
            file, size, unpacked = waiting.popleft()
            ahead -= size
            for record in _parsed(file, unpacked):
                yield file, record


def _parsed(file: Path, unpacked: Future[memoryview]) -> Iterator[Schema | Channel | Message]:
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
            start: int
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


def _claimed(item: tuple[int, bytes] | Exception) -> int:
    """The unpacked size that a chunk claims, at most MAX_SIZE; `_unpack` refuses more."""
    if isinstance(item, Exception) or len(item[1]) < 24:
        return 0
    size: int = struct.unpack_from('<Q', item[1], 16)[0] if item[0] == CHUNK else len(item[1])
    return min(size, MAX_SIZE)


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
        data = memoryview(unpack_zstd(data, size))
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


def _text(data: bytes | memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from('<I', data, at)
    if at + 4 + length > len(data):
        raise EOFError('it was cut off')
    return bytes(data[at + 4 : at + 4 + length]).decode(), at + 4 + length


def _schema(data: memoryview, start: int, end: int) -> Schema:
    (number,) = struct.unpack_from('<H', data, start)
    name, at = _text(data, start + 2)
    encoding, at = _text(data, at)
    return Schema(number, name, encoding, _text(data, at)[0])


def _channel(data: memoryview, start: int, end: int) -> Channel:
    number, schema = struct.unpack_from('<HH', data, start)
    return Channel(number, schema, _text(data, start + 4)[0])


def _message(data: memoryview, start: int, end: int) -> Message:
    channel, _, log_time = struct.unpack_from('<HIQ', data, start)
    return Message(channel, log_time, data[start + 22 : end])


_PARSE: dict[int, Callable[[memoryview, int, int], Schema | Channel | Message]] = {
    SCHEMA: _schema,
    CHANNEL: _channel,
    MESSAGE: _message,
}
