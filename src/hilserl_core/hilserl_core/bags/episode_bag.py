"""Episodes as rosbag2 bags (MCAP, zstd), one directory each. Plain `ros2 bag` opens them.

A bag is written as its steps arrive and synced to disk once a second. It gets its metadata.yaml
when it is complete, and is not changed after that. A bag without metadata.yaml was cut off: its
readable steps are copied into a new bag beside it.
"""

from collections.abc import Callable, Iterator
import errno
import hashlib
import os
from pathlib import Path
import re
from typing import Any

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from so101_node.durable import sync
from so101_node.errors import CellError
from so101_node.foreign_files import file_size
from so101_node.names import STEP, TASK

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema
from . import mcap
from .cdr import (
    STEP_TYPE,
    TASK_TYPE,
    definition_hash,
    known_definitions,
    step_from_cdr,
    step_to_cdr,
    task_from_cdr,
    task_to_cdr,
    typestore,
)
from .foreign_bag import MAX_BAG_FILE
from .mcap import Channel, DamagedFile, Message, Schema

RECOVERED = '-recovered'
DAMAGED = 'damaged'  # directory of bags that were set aside
METADATA = 'metadata.yaml'


class EpisodeBag:
    """Writes one episode. The directory must not exist yet."""

    def __init__(self, directory: Path, schema: TaskSchema, start: int):
        self.directory, self.steps, self._on_disk = directory, 0, False
        self._writer = Writer(directory, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        storage: Any = self._writer.storage
        # `ros2 bag reindex` looks for files whose names end with a number.
        storage.path = storage.path.rename(directory / f'{directory.name}_0.mcap')
        task = self._connect(TASK, TASK_TYPE, QosDurability.TRANSIENT_LOCAL)
        self._step = self._connect(STEP, STEP_TYPE, QosDurability.VOLATILE)
        self._writer.write(task, start, task_to_cdr(schema))

    def _connect(self, topic: str, message_type: str, durability: QosDurability) -> Connection:
        unset = QosTime(0, 0)
        qos = Qos(
            QosHistory.KEEP_LAST,
            1 if topic == TASK else 2000,
            QosReliability.RELIABLE,
            durability,
            unset,
            unset,
            QosLiveliness.SYSTEM_DEFAULT,
            unset,
            False,
        )
        return self._writer.add_connection(
            f'/{topic}', message_type, typestore=typestore(), offered_qos_profiles=[qos]
        )

    def write(self, step: StepRecord) -> None:
        """Append a step."""
        self._writer.write(self._step, step.stamp, step_to_cdr(step))
        self.steps += 1

    def flush(self) -> None:
        """Sync everything written so far to disk."""
        storage: Any = self._writer.storage  # rosbags' MCAP writer
        if storage.chunk.bio.tell():
            storage.close_chunk()
        storage.bio.flush()
        os.fsync(storage.bio.fileno())
        if not self._on_disk:  # without its directory entry a file is lost in a power cut
            self._on_disk = True
            sync(self.directory)
            sync(self.directory.parent)

    def close(self) -> None:
        """Complete the bag."""
        self.flush()
        self._writer.close()
        for path in (*self.directory.iterdir(), self.directory):
            sync(path)


def bag_name(episode_id: str) -> str:
    """A directory name for an episode. Its id comes from a message and may not be a valid name."""
    valid = re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}', episode_id)
    if valid and episode_id != DAMAGED and not episode_id.endswith(RECOVERED):
        return episode_id
    return 'episode-' + hashlib.sha256(episode_id.encode()).hexdigest()[:16]


def new_bag(parent: Path, schema: TaskSchema, step: StepRecord) -> EpisodeBag:
    """A new bag for the episode of `step`. If its name is taken, the name gets a number."""
    name, part = bag_name(step.episode_id), 1
    directory = parent / name
    while directory.exists():
        part += 1
        directory = parent / f'{name}-{part}'
    return EpisodeBag(directory, schema, step.stamp)


class Bag:
    """A bag of steps on disk, read in the order of recording. It keeps no file open."""

    def __init__(self, directory: Path):
        self.directory = directory
        for _, stamp, content in contents([directory]):
            if isinstance(content, TaskSchema):
                self.start, self.schema = stamp, content
                return
        raise CellError(f'bag {directory} has no message on {TASK}: its task is unknown')

    def require(self, schema: TaskSchema) -> None:
        """CellError if the bag's task is another; the message names the fields that differ."""
        require(self.directory, self.schema, schema)

    def steps(self) -> Iterator[StepRecord]:
        """The steps; CellError where the bag is damaged."""
        for _, _, content in contents([self.directory]):
            if isinstance(content, StepRecord):
                yield content


def contents(directories: list[Path]) -> Iterator[tuple[Path, int, TaskSchema | StepRecord]]:
    """Yield bag, stamp (ns), and task or step, as recorded; CellError where a bag is damaged."""
    files = [file for directory in directories for file in _files(directory)]
    current, directory = Path(), Path()
    decoders: dict[int, Callable[[memoryview], TaskSchema | StepRecord]] = {}
    types: dict[int, Schema] = {}
    try:
        for file, record in mcap.read(files):
            if file is not current:
                current, directory, decoders, types = file, file.parent, {}, {}
            if isinstance(record, Message):
                decode = decoders.get(record.channel_id)
                if decode:
                    yield directory, record.log_time, decode(record.data)
            elif isinstance(record, Schema):
                types[record.id] = record
            elif isinstance(record, Channel):
                for topic, message_type, decode in (
                    (STEP, STEP_TYPE, step_from_cdr),
                    (TASK, TASK_TYPE, _task),
                ):
                    # the topic may have a namespace
                    if record.topic.endswith(f'/{topic}'):
                        require_definition(types[record.schema_id], message_type)
                        decoders[record.id] = decode
    except DamagedFile as error:
        raise _damaged(error.file.parent, error, error.__cause__) from error
    except OtherVersion as error:
        raise OtherVersion(
            f'bag {current.parent} cannot be read: {error}', current.parent
        ) from error
    except (CellError, KeyError) as error:
        raise _damaged(current.parent, error, error) from error


class DamagedBag(CellError):
    """A bag whose data is damaged. `directory`: the bag."""

    def __init__(self, directory: Path, reason: str):
        super().__init__(f'bag {directory} cannot be read: {reason}')
        self.directory, self.reason = directory, reason


class OtherVersion(CellError):
    """A bag whose message types or task are of another version. `directory`: the bag."""

    def __init__(self, text: str, directory: Path = Path()):
        super().__init__(text)
        self.directory = directory


def _damaged(directory: Path, error: Exception, cause: BaseException | None) -> CellError:
    """A DamagedBag, unless the machine failed to read a bag that may be whole."""
    reason = ' '.join(str(error).split())[:300]
    if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno != errno.EIO):
        return CellError(f'bag {directory} cannot be read: {reason}')
    return DamagedBag(directory, reason)


def _task(data: memoryview) -> TaskSchema:
    try:
        return task_from_cdr(data).schema
    except CellError as error:
        raise OtherVersion(str(error)) from error


def _files(directory: Path) -> list[Path]:
    files = sorted(directory.glob('*.mcap'))
    if not files:
        raise DamagedBag(directory, 'it has no MCAP file')
    try:
        for file in files:
            file_size(file, 'file', MAX_BAG_FILE)  # a pipe would block the reader
    except CellError as error:
        raise DamagedBag(directory, str(error)) from error
    return files


def require(directory: Path, recorded: TaskSchema, schema: TaskSchema) -> None:
    """CellError if a bag's task is another; the message names the fields that differ."""
    lines = schema.differences(recorded)
    if lines:
        raise CellError(f'bag {directory} is of another task; ' + '; '.join(lines))


def require_definition(recorded: Schema, message_type: str) -> None:
    """CellError if a bag defines a message type otherwise than this version."""
    if (
        recorded.name != message_type
        or recorded.encoding != 'ros2msg'
        or definition_hash(recorded.text, message_type) not in known_definitions(message_type)
    ):
        raise OtherVersion(f'its {recorded.name[:100]} is not the {message_type} of this version')


def find_bags(directory: Path) -> list[Path]:
    """The complete bags in a directory. The directory may itself be a bag."""
    if (directory / METADATA).is_file():
        return [directory]
    return sorted(
        path.parent
        for path in directory.glob(f'*/{METADATA}')
        if not (directory / (path.parent.name + RECOVERED)).exists()
    )


def bags_by_time(directory: Path) -> list[Path]:
    """The complete bags in a directory, in the order of recording."""
    return by_time(find_bags(directory))


def by_time(bags: list[Path]) -> list[Path]:
    """Sort bags in the order of recording; DamagedBag if one cannot be read."""
    return sorted(bags, key=start_time)


def start_time(bag: Path) -> int:
    """Time of a bag's first message, ns; DamagedBag if it cannot be read."""
    try:
        return mcap.start_time(_files(bag)[0])
    except (OSError, *mcap.DAMAGE_ERRORS) as error:
        raise _damaged(bag, error, error) from error


def open_bags(directory: Path) -> list[Bag]:
    """The complete bags in a directory, by time."""
    return [Bag(path) for path in bags_by_time(directory)]
