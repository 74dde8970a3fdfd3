"""Episodes as rosbag2 bags (MCAP, zstd), one directory each, which stock `ros2 bag` opens.

A bag is written as its steps arrive and put on disk once a second. It gets its metadata.yaml when
it is complete and is never written again; one without it was cut off, and is read up to where it
stops into a clean bag beside it.
"""
from collections.abc import Iterator
import hashlib
import os
from pathlib import Path
import re
import shutil

from mcap.exceptions import McapError
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from rosbags.interfaces import (
    Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime)
from rosbags.rosbag2 import (
    CompressionFormat, CompressionMode, Reader, ReaderError, StoragePlugin, Writer)
from so101_description.errors import CellError
from so101_description.names import STEP, TASK

from .bag_types import (
    STEP_TYPE, step_from_cdr, step_to_cdr, task_from_cdr, TASK_TYPE, task_to_cdr, typestore)
from .steps import StepRecord
from .task import TaskSchema

RECOVERED = '-recovered'
METADATA = 'metadata.yaml'
TOPICS = {STEP: f'/{STEP}', TASK: f'/{TASK}'}


class EpisodeBag:
    """One episode being written. The directory must not exist yet."""

    def __init__(self, directory: Path, schema: TaskSchema, start: int):
        self.directory, self.steps = directory, 0
        self._writer = Writer(directory, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        task = self._connect(TASK, TASK_TYPE, QosDurability.TRANSIENT_LOCAL)
        self._step = self._connect(STEP, STEP_TYPE, QosDurability.VOLATILE)
        self._writer.write(task, start, task_to_cdr(schema))

    def _connect(self, topic, message_type, durability):
        unset = QosTime(0, 0)
        qos = Qos(
            QosHistory.KEEP_LAST, 1 if topic == TASK else 2000, QosReliability.RELIABLE,
            durability, unset, unset, QosLiveliness.SYSTEM_DEFAULT, unset, False)
        return self._writer.add_connection(
            TOPICS[topic], message_type, typestore=typestore(), offered_qos_profiles=[qos])

    def write(self, step: StepRecord) -> None:
        """Append a step."""
        self._writer.write(self._step, step.stamp, step_to_cdr(step))
        self.steps += 1

    def flush(self) -> None:
        """Put everything written so far on disk."""
        storage = self._writer.storage
        if storage.chunk.bio.tell():
            storage.close_chunk()
        storage.bio.flush()
        os.fsync(storage.bio.fileno())

    def close(self) -> None:
        """Complete the bag."""
        self.flush()
        self._writer.close()


def bag_name(episode_id: str) -> str:
    """A directory name for an episode; ids come from the wire and may be no name at all."""
    if re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}', episode_id):
        return episode_id
    return 'episode-' + hashlib.sha256(episode_id.encode()).hexdigest()[:16]


def new_bag(parent: Path, schema: TaskSchema, step: StepRecord) -> EpisodeBag:
    """A bag for the episode of `step`; one that exists already gets a second part."""
    name, part = bag_name(step.episode_id), 1
    directory = parent / name
    while directory.exists():
        part += 1
        directory = parent / f'{name}-{part}'
    return EpisodeBag(directory, schema, step.stamp)


class Bag:
    """A complete bag of steps, opened for reading."""

    def __init__(self, directory: Path):
        self.directory = directory
        try:
            self._reader = Reader(directory)
            self._reader.open()
            self.start = self._reader.start_time
            self.count = {c.topic: c.msgcount for c in self._reader.connections}.get(
                TOPICS[STEP], 0)
            self.schema = self._schema()
        except (ReaderError, OSError) as error:
            raise CellError(f'bag {directory} cannot be read: {error}') from error

    def _connections(self, topic: str, message_type: str):
        found = [c for c in self._reader.connections if c.topic.endswith(TOPICS[topic])]
        if not found:
            raise CellError(
                f'bag {self.directory} has no topic {topic}; it holds '
                + (', '.join(sorted(c.topic for c in self._reader.connections)) or 'nothing'))
        for connection in found:
            if connection.digest != typestore().hash_rihs01(message_type):
                raise CellError(
                    f'bag {self.directory}: its {connection.msgtype} is not the {message_type} '
                    'of this version')
        return found

    def _schema(self) -> TaskSchema:
        for _, _, data in self._reader.messages(self._connections(TASK, TASK_TYPE)):
            return task_from_cdr(data)
        raise CellError(f'bag {self.directory} has no message on {TASK}: its task is unknown')

    def require(self, schema: TaskSchema) -> None:
        """CellError naming the fields in which the bag's task is another."""
        lines = schema.differences(self.schema)
        if lines:
            raise CellError(
                f'bag {self.directory} is of another task; ' + '; '.join(lines))

    def steps(self) -> Iterator[StepRecord]:
        """The steps in the order in which they were recorded."""
        try:
            for _, _, data in self._reader.messages(self._connections(STEP, STEP_TYPE)):
                yield step_from_cdr(data)
        except ReaderError as error:
            raise CellError(f'bag {self.directory} is damaged: {error}') from error

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def find_bags(directory: Path) -> list[Path]:
    """The complete bags in a directory, which may itself be one."""
    if (directory / METADATA).is_file():
        return [directory]
    return sorted(path.parent for path in directory.glob(f'*/{METADATA}'))


def open_bags(directory: Path) -> list[Bag]:
    """The complete bags in a directory, by time."""
    return sorted((Bag(path) for path in find_bags(directory)), key=lambda bag: bag.start)


def recover_all(parent: Path) -> list[str]:
    """Recover every cut-off bag in `parent` into `<name>-recovered`; a sentence for each.

    The cut-off bag stays as it is, and is not looked at again once its recovered bag is there.
    """
    workspace = parent / '.recovering'
    shutil.rmtree(workspace, ignore_errors=True)
    sentences = []
    for directory in sorted(path for path in parent.glob('*/') if not path.is_symlink()):
        recovered = parent / (directory.name + RECOVERED)
        if (directory / METADATA).exists() or recovered.exists():
            continue
        schema, steps = read_cut_off(directory)
        if not steps:
            sentences.append(f'bag {directory.name} was cut off before its first step')
            continue
        bag = EpisodeBag(workspace / recovered.name, schema, steps[0].stamp)
        for step in steps:
            bag.write(step)
        bag.close()
        os.rename(bag.directory, recovered)
        sentences.append(
            f'bag {directory.name} was cut off: {len(steps)} steps recovered into '
            f'{recovered.name}')
    shutil.rmtree(workspace, ignore_errors=True)
    return sentences


def read_cut_off(directory: Path) -> tuple[TaskSchema | None, list[StepRecord]]:
    """Task and steps of a bag that was never completed, up to where it stops."""
    schema, steps, topics = None, [], {}
    for path in sorted(directory.glob('*.mcap')):
        try:
            with path.open('rb') as file:
                for record in StreamReader(file).records:
                    if isinstance(record, Channel):
                        topics[record.id] = record.topic
                    elif isinstance(record, Message):
                        if topics.get(record.channel_id) == TOPICS[TASK]:
                            schema = task_from_cdr(record.data)
                        elif topics.get(record.channel_id) == TOPICS[STEP]:
                            steps.append(step_from_cdr(record.data))
        except (McapError, CellError, ValueError, EOFError, OSError):
            # where it stops being a bag is where it was cut off
            pass
    return schema, steps if schema else []
