"""A raw recording (`ros2 bag record`) as streams sorted by stamp: joints, marks, rewards, images.

It reads any rosbag2 that rosbags reads: MCAP or SQLite3, compressed or not, split, Humble to
Lyrical. A second pass decodes only the images that steps need.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
import struct
from typing import Any

import cv2
import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.image import ImageError, message_to_cvimage
from rosbags.rosbag2 import ReaderError
from rosbags.typesys import TypesysError

from hilserl_core.bags.cdr import typestore
from hilserl_core.bags.mcap import DAMAGE_ERRORS
from so101_description.joints import JOINTS, LOWER, UPPER, pack
from so101_node import names
from so101_node.errors import CellError

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
    IndexError,
    TypeError,
    *DAMAGE_ERRORS,
)


@dataclass
class Stream:
    """Samples of one topic: stamps (N,) ns, sorted, and one value each."""

    stamps: np.ndarray
    values: list | np.ndarray
    out_of_order: int = 0  # stamps that were earlier than the previous one

    def __len__(self) -> int:
        return len(self.stamps)

    def nearest(self, stamp: int, tolerance: int) -> int | None:
        """Index of the sample nearest to `stamp`; None if no sample is within `tolerance` (ns)."""
        if not len(self.stamps):
            return None
        after = int(np.searchsorted(self.stamps, stamp))
        index = min(
            (i for i in (after - 1, after) if 0 <= i < len(self.stamps)),
            key=lambda i: abs(int(self.stamps[i]) - stamp),
        )
        return index if abs(int(self.stamps[index]) - stamp) <= tolerance else None

    def latest(self, stamp: int, age: int) -> int | None:
        """Index of the newest sample at `stamp`; None if it is older than `age` (ns)."""
        index = int(np.searchsorted(self.stamps, stamp, 'right')) - 1
        return index if index >= 0 and stamp - int(self.stamps[index]) <= age else None

    def before(self, stamp: int) -> int | None:
        """Index of the last sample before `stamp`, or None."""
        index = int(np.searchsorted(self.stamps, stamp)) - 1
        return index if index >= 0 else None


@dataclass
class RawRecording:
    """The content of a raw bag, with the times of images only. Joint values are (N, 6) rad."""

    reader: AnyReader  # open, to read the images
    follower: Stream
    leader: Stream | None
    commands: Stream | None
    marks: Stream | None  # (mode, episode id), at the start of a tick
    rewards: Stream | None  # (value, success)
    images: dict[str, Stream]  # of each camera; the values are times of recording, ns
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened(directory: Path) -> Iterator[AnyReader]:
    """Open a bag; CellError if it is not readable.

    Use one reader for everything: opening reads the whole index, and unpacks compressed files.
    """
    try:
        reader = AnyReader([directory], default_typestore=typestore())
        reader.open()
    except READ_ERRORS as error:
        raise CellError(
            f'bag {directory} cannot be read: {str(error) or type(error).__name__}; if it was '
            'cut off, `ros2 bag reindex` may repair it'
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def directory_of(reader: AnyReader) -> Path:
    """The directory of a reader's bag."""
    return Path(str(reader.paths[0]))


@contextmanager
def reading(reader: AnyReader) -> Iterator[None]:
    """Turn the exceptions of a damaged bag into a CellError."""
    try:
        yield
    except READ_ERRORS as error:
        raise CellError(
            f'bag {directory_of(reader)} is damaged: {str(error) or type(error).__name__}'
        ) from error


def connections_of(reader: AnyReader, topic: str, types: tuple[str, ...]):
    """Connections of a topic in any namespace; CellError if the bag has several cells."""
    found = [c for c in reader.connections if c.topic.endswith(f'/{topic}') and c.msgtype in types]
    topics = {c.topic for c in found}
    if len(topics) > 1:
        raise CellError(
            f'bag {directory_of(reader)} has {topic} of several cells '
            f'({", ".join(sorted(topics))}); record one cell in one bag'
        )
    return found


def camera_connections(reader: AnyReader, camera: str):
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
) -> RawRecording:
    """Read a raw bag; CellError if something is missing, damaged or in another unit."""
    with reading(reader):
        return _read(reader, cameras, progress)


def _read(reader: AnyReader, cameras, progress) -> RawRecording:
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
    decode: dict[int, tuple] = {}
    for name, found in arms.items():
        decode |= {c.id: (name, lambda m: pack(m.name, m.position)) for c in found}
    for c in connections_of(reader, names.ACTOR_STATUS, (STATUS_TYPE,)):
        decode[c.id] = ('marks', lambda m: (m.mode, m.episode_id))
    for c in connections_of(reader, names.REWARD, (REWARD_TYPE,)):
        decode[c.id] = ('rewards', lambda m: (m.value, m.success))
    cameras_by_id = {c.id: camera for camera, found in image_connections.items() for c in found}
    samples: dict[str, list] = {name: [] for name in (*arms, 'marks', 'rewards')}
    images: dict[str, list] = {camera: [] for camera in cameras}
    wanted = [c for c in reader.connections if c.id in decode or c.id in cameras_by_id]
    total = sum(c.msgcount for c in wanted)
    for count, (connection, recorded, data) in enumerate(reader.messages(wanted)):
        if count % 1000 == 0:
            progress(count, total)
        stamp = stamp_of(data, recorded)
        camera = cameras_by_id.get(connection.id)
        if camera:
            images[camera].append((stamp, recorded))
            continue
        name, extract = decode[connection.id]
        try:
            samples[name].append((stamp, extract(reader.deserialize(data, connection.msgtype))))
        except CellError as error:
            raise CellError(
                f'bag {directory}: {connection.topic}: {error}; the import does not '
                'guess; record it again, or convert the bag'
            ) from error
    progress(total, total)
    streams = {name: _stream(found) for name, found in samples.items()}
    found_streams = {name: stream if len(stream) else None for name, stream in streams.items()}
    recording = RawRecording(
        reader,
        streams['follower'],
        found_streams['leader'],
        found_streams['commands'],
        found_streams['marks'],
        found_streams['rewards'],
        {camera: _stream(found) for camera, found in images.items()},
    )
    for name in arms:
        if len(streams[name]):
            values = np.array(streams[name].values)
            streams[name].values = values
            recording.notes += _unit_notes(directory, name, values)
    out_of_order = sum(s.out_of_order for s in (*streams.values(), *recording.images.values()))
    if out_of_order:
        recording.notes.append(f'{out_of_order} stamps were out of order and were sorted')
    return recording


def _stream(samples: list[tuple[int, object]]) -> Stream:
    stamps = np.array([stamp for stamp, _ in samples], np.int64)
    order = np.argsort(stamps, kind='stable')
    return Stream(stamps[order], [samples[i][1] for i in order], int((np.diff(stamps) < 0).sum()))


def _unit_notes(directory: Path, stream: str, values: np.ndarray) -> list[str]:
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


def decode_image(reader: AnyReader, connection, data: bytes) -> np.ndarray:
    """(height, width, 3) uint8 RGB of a serialised image of either type."""
    message: Any = reader.deserialize(data, connection.msgtype)
    try:
        return np.ascontiguousarray(message_to_cvimage(message, 'rgb8'))
    except (ImageError, ValueError, TypeError, cv2.error) as error:
        raise CellError(f'{connection.topic}: an image cannot be decoded: {error}') from error


def image_size(reader: AnyReader, camera: str) -> tuple[int, int] | None:
    """Width and height of a camera's first image; None if the bag has none."""
    with reading(reader):
        found = camera_connections(reader, camera)
        for connection, _, data in reader.messages(found) if found else ():
            return decode_image(reader, connection, data).shape[1::-1]
    return None


def read_images(
    reader: AnyReader,
    camera: str,
    wanted: set[int],
) -> Iterator[tuple[int, np.ndarray]]:
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
