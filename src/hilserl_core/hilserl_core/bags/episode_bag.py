"""Episodes as rosbag2 bags (MCAP, zstd), one directory each. Plain `ros2 bag` opens them.

A bag is written as its steps arrive and synced to disk once a second. It gets its metadata.yaml
when it is complete, and is not changed after that. A bag without metadata.yaml was cut off: its
readable steps are copied into a new bag beside it.
"""

from collections.abc import Iterator
import hashlib
import os
from pathlib import Path
import re
import shutil
from typing import Any

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from so101_node.durable import sync
from so101_node.errors import CellError
from so101_node.names import STEP, TASK

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema
from . import mcap
from .cdr import (
    STEP_TYPE,
    TASK_TYPE,
    definition_hash,
    step_from_cdr,
    step_to_cdr,
    task_from_cdr,
    task_to_cdr,
    typestore,
)
from .mcap import Channel, DamagedFile, Message, Schema

RECOVERED = '-recovered'
METADATA = 'metadata.yaml'
MAGIC = b'\x89MCAP0\r\n'  # a complete MCAP file begins and ends with it


class EpisodeBag:
    """Writes one episode. The directory must not exist yet."""

    def __init__(self, directory: Path, schema: TaskSchema, start: int):
        self.directory, self.steps, self._on_disk = directory, 0, False
        self._writer = Writer(directory, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        task = self._connect(TASK, TASK_TYPE, QosDurability.TRANSIENT_LOCAL)
        self._step = self._connect(STEP, STEP_TYPE, QosDurability.VOLATILE)
        self._writer.write(task, start, task_to_cdr(schema))

    def _connect(self, topic, message_type, durability):
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
    if re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}', episode_id):
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
    decoders: dict = {}
    types: dict = {}
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
                    (TASK, TASK_TYPE, task_from_cdr),
                ):
                    # the topic may have a namespace
                    if record.topic.endswith(f'/{topic}'):
                        require_definition(types[record.schema_id], message_type)
                        decoders[record.id] = decode
    except DamagedFile as error:
        raise CellError(f'bag {error.file.parent} cannot be read: {error}') from error
    except (CellError, KeyError) as error:
        raise CellError(f'bag {current.parent} cannot be read: {error}') from error


def _files(directory: Path) -> list[Path]:
    files = sorted(directory.glob('*.mcap'))
    if not files:
        raise CellError(f'bag {directory} cannot be read: it has no MCAP file')
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
        or (definition_hash(recorded.text, message_type) != typestore().hash_rihs01(message_type))
    ):
        raise CellError(f'its {recorded.name} is not the {message_type} of this version')


def find_bags(directory: Path) -> list[Path]:
    """The complete bags in a directory. The directory may itself be a bag."""
    if (directory / METADATA).is_file():
        return [directory]
    return sorted(
        path.parent
        for path in directory.glob(f'*/{METADATA}')
        if not (directory / (path.parent.name + RECOVERED)).exists()
    )


def _was_completed(directory: Path) -> bool:
    """Whether a bag was completed, and its end reached the disk (it may not in a power cut)."""
    metadata = directory / METADATA
    return (
        metadata.is_file()
        and metadata.stat().st_size > 0
        and all(map(_is_complete, directory.glob('*.mcap')))
    )


def _is_complete(file: Path) -> bool:
    with file.open('rb') as stream:
        stream.seek(max(0, file.stat().st_size - len(MAGIC)))
        return stream.read() == MAGIC


def bags_by_time(directory: Path) -> list[Path]:
    """The complete bags in a directory, in the order of recording."""
    return sorted(find_bags(directory), key=lambda bag: mcap.start_time(_files(bag)[0]))


def open_bags(directory: Path) -> list[Bag]:
    """The complete bags in a directory, by time."""
    return [Bag(path) for path in bags_by_time(directory)]


def recover_all(parent: Path) -> list[str]:
    """Recover every cut-off bag in `parent` into `<name>-recovered`. Return a sentence for each.

    The cut-off bag is not changed. It is skipped if its recovered bag exists.
    """
    workspace = parent / '.recovering'
    shutil.rmtree(workspace, ignore_errors=True)
    sentences = []
    for directory in sorted(path for path in parent.glob('*/') if not path.is_symlink()):
        recovered = parent / (directory.name + RECOVERED)
        if recovered.exists() or _was_completed(directory):
            continue
        schema, steps = read_cut_off(directory)
        if not steps or schema is None:
            sentences.append(f'bag {directory.name} was cut off before its first step')
            continue
        try:
            bag = EpisodeBag(workspace / recovered.name, schema, steps[0].stamp)
            for step in steps:
                bag.write(step)
            bag.close()
            os.rename(bag.directory, recovered)
        except (OSError, WriterError) as error:
            raise CellError(
                f'bag {directory} was cut off, and its {len(steps)} steps cannot be saved: '
                f'{error}; free some disk space and start again'
            ) from error
        sentences.append(
            f'bag {directory.name} was cut off: {len(steps)} steps recovered into {recovered.name}'
        )
    shutil.rmtree(workspace, ignore_errors=True)
    return sentences


def read_cut_off(directory: Path) -> tuple[TaskSchema | None, list[StepRecord]]:
    """Task and readable steps of a bag that was not completed."""
    schema, steps = None, []
    try:
        for _, _, content in contents([directory]):
            if isinstance(content, TaskSchema):
                schema = content
            else:
                steps.append(content)
    except CellError:
        # the bag was cut off here: keep the steps before
        pass
    return schema, steps if schema else []
