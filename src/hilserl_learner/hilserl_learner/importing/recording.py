"""A raw recording (`ros2 bag record`) as streams sorted by stamp: joints, marks, rewards, images.

It reads any rosbag2 that rosbags reads: MCAP or SQLite3, compressed or not, split, Humble to
Lyrical. Where the clock was set, a part with streams of its own begins. A second pass decodes only
the images that steps need.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
import sqlite3
import struct
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.image import ImageError, message_to_cvimage
from rosbags.interfaces import Connection
from rosbags.rosbag2 import ReaderError
from rosbags.typesys import TypesysError

from hilserl_core.bags.cdr import typestore
from hilserl_core.bags.foreign_bag import require_ordinary
from hilserl_core.bags.mcap import DAMAGE_ERRORS
from so101_description.joints import JOINTS, LOWER, UPPER, pack
from so101_node import names
from so101_node.encoded_image import require_size
from so101_node.errors import CellError

from .clock_steps import ClockSteps
from .file_order import keep_file_order
from .stream import JointStream, MarkStream, Pose, Stream

JOINT_TYPE = 'sensor_msgs/msg/JointState'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
STATUS_TYPE = 'so101_interfaces/msg/ActorStatus'
REWARD_TYPE = 'so101_interfaces/msg/Reward'
# The widest calibrations in use reach 0.27 rad past the model's limits. Values in degrees or
# percent exceed the limits much further.
MAX_EXCESS = 0.35  # rad
READ_ERRORS = (
    AnyReaderError,
    ReaderError,
    TypesysError,
    OSError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    sqlite3.Error,
    *DAMAGE_ERRORS,
)


T = TypeVar('T')
# camera and wanted times of recording -> time and (height, width, 3) uint8 RGB of each image
Frames = Callable[[str, set[int]], Iterator[tuple[int, npt.NDArray[np.uint8]]]]


@dataclass
class RawRecording:
    """The content of a raw bag, or of a part of it, with the times of images only."""

    # reads a camera's images by their times of recording: of the open bag
    frames: Frames
    follower: JointStream
    leader: JointStream | None
    commands: JointStream | None
    marks: MarkStream | None  # at the start of a tick
    rewards: Stream[list[tuple[float, bool]]] | None  # value and success
    images: dict[str, Stream[list[int]]]  # of each camera; the values are times of recording, ns
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened(directory: Path) -> Iterator[AnyReader]:
    """Open a bag; CellError if it is not readable.

    Use one reader for everything: opening reads the whole index, and unpacks compressed files.
    """
    require_ordinary(directory)
    try:
        reader = AnyReader([directory], default_typestore=typestore())
        keep_file_order(reader)
        reader.open()
    except READ_ERRORS as error:
        raise CellError(
            f'bag {directory} cannot be read: {_short(error)}; if it was '
            'cut off, `ros2 bag reindex` may repair it'
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def _short(error: Exception) -> str:
    return ' '.join(str(error).split())[:200] or type(error).__name__


def directory_of(reader: AnyReader) -> Path:
    """The directory of a reader's bag."""
    return Path(str(reader.paths[0]))


@contextmanager
def reading(reader: AnyReader) -> Iterator[None]:
    """Turn the exceptions of a damaged bag into a CellError."""
    try:
        yield
    except READ_ERRORS as error:
        raise CellError(f'bag {directory_of(reader)} is damaged: {_short(error)}') from error


def connections_of(reader: AnyReader, topic: str, types: tuple[str, ...]) -> list[Connection]:
    """Connections of a topic in any namespace; CellError if the bag has several cells."""
    found = [c for c in reader.connections if c.topic.endswith(f'/{topic}') and c.msgtype in types]
    topics = {c.topic for c in found}
    if len(topics) > 1:
        raise CellError(
            f'bag {directory_of(reader)} has {topic} of several cells '
            f'({", ".join(sorted(topics))}); record one cell in one bag'
        )
    return found


def camera_connections(reader: AnyReader, camera: str) -> list[Connection]:
    """Connections of a camera's images; the uncompressed ones if the bag has both."""
    plain = connections_of(reader, names.IMAGE.format(camera=camera), IMAGE_TYPES[:1])
    return plain or [
        c for c in reader.connections if f'/{camera}/' in c.topic and c.msgtype in IMAGE_TYPES
    ]


def stamp_of(data: bytes, recorded: int) -> int:
    """Stamp (ns) in a serialised message's header; the time of recording if the stamp is 0."""
    order = '<' if data[1] & 1 else '>'
    seconds, ns = struct.unpack_from(f'{order}iI', data, 4)
    return seconds * 10**9 + ns or recorded


def read_raw(
    reader: AnyReader,
    cameras: tuple[str, ...],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[RawRecording]:
    """Read the parts of a raw bag; CellError if something is missing, damaged or in another unit.

    There is one part, unless the clock was set. The notes are those of the first one.
    """
    with reading(reader):
        return _read(reader, cameras, progress)


def _read(
    reader: AnyReader, cameras: tuple[str, ...], progress: Callable[[int, int], None]
) -> list[RawRecording]:
    directory = directory_of(reader)
    arms = {
        name: connections_of(reader, topic, (JOINT_TYPE,))
        for name, topic in (
            ('follower', names.JOINT_STATES.format(arm='follower')),
            ('leader', names.JOINT_STATES.format(arm='leader')),
            ('commands', names.JOINT_COMMANDS.format(arm='follower')),
        )
    }
    image_connections = {camera: camera_connections(reader, camera) for camera in cameras}
    missing = ([] if arms['follower'] else ['follower/joint_states']) + [
        f'images of {camera}' for camera, found in image_connections.items() if not found
    ]
    if missing:
        raise CellError(
            f'bag {directory} lacks {" and ".join(missing)}; it has '
            + ', '.join(sorted({c.topic for c in reader.connections}))
        )
    decode: dict[int, tuple[str, Callable[[Any], Any]]] = {}
    for name, found in arms.items():
        decode |= {c.id: (name, lambda m: pack(m.name, m.position)) for c in found}
    for c in connections_of(reader, names.ACTOR_STATUS, (STATUS_TYPE,)):
        decode[c.id] = ('marks', lambda m: (m.mode, m.episode_id))
    for c in connections_of(reader, names.REWARD, (REWARD_TYPE,)):
        decode[c.id] = ('rewards', lambda m: (m.value, m.success))
    cameras_by_id = {c.id: camera for camera, found in image_connections.items() for c in found}
    clock, parts = ClockSteps(), [_Part(cameras)]
    wanted = [c for c in reader.connections if c.id in decode or c.id in cameras_by_id]
    total = sum(c.msgcount for c in wanted)
    for count, (connection, recorded, data) in enumerate(reader.messages(wanted)):
        if count % 1000 == 0:
            progress(count, total)
        stamp = stamp_of(data, recorded)
        if clock.part_of(connection.id, recorded, stamp) == len(parts):
            parts.append(_Part(cameras))
        camera = cameras_by_id.get(connection.id)
        if camera:
            parts[-1].images[camera].append((stamp, recorded))
            continue
        name, extract = decode[connection.id]
        try:
            value = extract(reader.deserialize(data, connection.msgtype))
            parts[-1].samples[name].append((stamp, value))
        except CellError as error:
            raise CellError(
                f'bag {directory}: {connection.topic}: {error}; the import does not '
                'guess; record it again, or convert the bag'
            ) from error
    progress(total, total)
    usable = [part for part in parts if part.samples['follower'] and all(part.images.values())]
    recordings = [_recording(reader, part) for part in usable or parts[:1]]
    if note := clock.note():
        recordings[0].notes.insert(0, note)
    return recordings


class _Part:
    """What was recorded between two moments at which the clock was set: (stamp, value) each."""

    def __init__(self, cameras: tuple[str, ...]):
        names_of_streams = ('follower', 'leader', 'commands', 'marks', 'rewards')
        self.samples: dict[str, list[tuple[int, Any]]] = {name: [] for name in names_of_streams}
        self.images: dict[str, list[tuple[int, int]]] = {camera: [] for camera in cameras}


def _recording(reader: AnyReader, part: _Part) -> RawRecording:
    directory, samples = directory_of(reader), part.samples
    joints = {name: _joint_stream(samples[name]) for name in ('follower', 'leader', 'commands')}
    marks, rewards = _stream(samples['marks']), _stream(samples['rewards'])
    recording = RawRecording(
        partial(read_images, reader),
        joints['follower'],
        joints['leader'] if len(joints['leader']) else None,
        joints['commands'] if len(joints['commands']) else None,
        marks if len(marks) else None,
        rewards if len(rewards) else None,
        {camera: _stream(found) for camera, found in part.images.items()},
    )
    for name, stream in joints.items():
        if len(stream):
            recording.notes += _unit_notes(directory, name, stream.values)
    streams: tuple[Stream[Any], ...] = (
        *joints.values(),
        marks,
        rewards,
        *recording.images.values(),
    )
    out_of_order = sum(stream.out_of_order for stream in streams)
    if out_of_order:
        recording.notes.append(f'{out_of_order} stamps were out of order and were sorted')
    return recording


def _joint_stream(samples: list[tuple[int, Pose]]) -> JointStream:
    stream = _stream(samples)
    values = np.array(stream.values, np.float64).reshape(-1, len(JOINTS))
    return Stream(stream.stamps, values, stream.out_of_order)


def _stream(samples: list[tuple[int, T]]) -> Stream[list[T]]:
    stamps = np.array([stamp for stamp, _ in samples], np.int64)
    order = np.argsort(stamps, kind='stable')
    return Stream(stamps[order], [samples[i][1] for i in order], int((np.diff(stamps) < 0).sum()))


def _unit_notes(directory: Path, stream: str, values: npt.NDArray[np.float64]) -> list[str]:
    """Notes on values past a joint's limit; CellError if they are too far past for any arm."""
    notes = []
    for i, joint in enumerate(JOINTS):
        low, high = values[:, i].min(), values[:, i].max()
        past = max(LOWER[i] - low, high - UPPER[i])
        reach = (
            f'{stream} {joint} goes from {low:.2f} to {high:.2f}, its limits are '
            f'{LOWER[i]:.2f} and {UPPER[i]:.2f} rad'
        )
        if past > MAX_EXCESS:
            raise CellError(
                f'bag {directory}: {reach}: are these degrees? The import does not guess units; '
                'record in rad, or convert the bag'
            )
        if past > 0.02:
            notes.append(reach)
    return notes


def decode_image(reader: AnyReader, connection: Connection, data: bytes) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB of a serialised image of either type."""
    message: Any = reader.deserialize(data, connection.msgtype)
    try:
        if connection.msgtype == IMAGE_TYPES[1]:
            require_size(bytes(message.data))
        image = np.ascontiguousarray(message_to_cvimage(message, 'rgb8'), np.uint8)
        if image.ndim != 3 or not image.size:
            raise ValueError(f'its shape is {image.shape}')
        return image
    except (AssertionError, ImageError, ValueError, TypeError, cv2.error) as error:
        raise CellError(
            f'{connection.topic}: an image cannot be decoded: {_short(error)}'
        ) from error


def image_size(reader: AnyReader, camera: str) -> tuple[int, int] | None:
    """Width and height of a camera's first image; None if the bag has none."""
    with reading(reader):
        found = camera_connections(reader, camera)
        for connection, _, data in reader.messages(found) if found else ():
            height, width = decode_image(reader, connection, data).shape[:2]
            return width, height
    return None


def read_images(
    reader: AnyReader,
    camera: str,
    wanted: set[int],
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield the time of recording and the (height, width, 3) uint8 RGB of a camera's images.

    wanted: the times of recording (ns) of the images to read.
    """
    with reading(reader):
        found = camera_connections(reader, camera)
        for connection, recorded, data in reader.messages(
            found, start=min(wanted), stop=max(wanted) + 1
        ):
            if recorded in wanted:
                yield recorded, decode_image(reader, connection, data)
