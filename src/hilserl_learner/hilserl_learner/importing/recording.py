"""A raw recording (`ros2 bag record`) as streams by stamp: joints, marks, judgements, frames.

Any rosbag2 that rosbags reads: MCAP or SQLite3, compressed or not, split, Humble to Lyrical.
Frames are decoded only where a step needs them, in a second pass.
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
from hilserl_core.bags.mcap import DAMAGE
from so101_description.joints import JOINTS, LOWER, UPPER, pack
from so101_node import names
from so101_node.errors import CellError

JOINT_TYPE = 'sensor_msgs/msg/JointState'
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
STATUS_TYPE = 'so101_interfaces/msg/ActorStatus'
REWARD_TYPE = 'so101_interfaces/msg/Reward'
# The widest calibrations in use reach 0.27 rad past the model's limits; a value in degrees or in
# percent is far beyond.
BEYOND = 0.35
UNREADABLE = (
    AnyReaderError,
    ReaderError,
    TypesysError,
    OSError,
    AssertionError,
    IndexError,
    TypeError,
    *DAMAGE,
)


@dataclass
class Stream:
    """Samples of one topic: stamps (N,) ns, sorted, and one value each."""

    stamps: np.ndarray
    values: list | np.ndarray
    disorder: int = 0  # stamps that were before the one in front of them

    def __len__(self) -> int:
        return len(self.stamps)

    def nearest(self, stamp: int, tolerance: int) -> int | None:
        """Index of the sample nearest to `stamp`, None if none is within `tolerance` (ns)."""
        if not len(self.stamps):
            return None
        after = int(np.searchsorted(self.stamps, stamp))
        near = min(
            (i for i in (after - 1, after) if 0 <= i < len(self.stamps)),
            key=lambda i: abs(int(self.stamps[i]) - stamp),
        )
        return near if abs(int(self.stamps[near]) - stamp) <= tolerance else None

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
    """What a raw bag holds, but for the pixels. Joint values are (N, 6) rad."""

    reader: AnyReader  # open, for the pixels
    follower: Stream
    leader: Stream | None
    commands: Stream | None
    marks: Stream | None  # (mode, episode id), at the beginning of a tick
    rewards: Stream | None  # (value, success)
    frames: dict[str, Stream]  # of each camera: ns at which each was recorded
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened(directory: Path) -> Iterator[AnyReader]:
    """The bag's reader, for everything that is read of it; CellError if it is no bag.

    To open a bag is to read its whole index, and to unpack it if its files are compressed.
    """
    try:
        reader = AnyReader([directory], default_typestore=typestore())
        reader.open()
    except UNREADABLE as error:
        raise CellError(
            f'bag {directory} cannot be read: {str(error) or type(error).__name__}; if it was '
            'cut off, `ros2 bag reindex` may save it'
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def directory_of(reader: AnyReader) -> Path:
    """The bag that a reader reads."""
    return Path(str(reader.paths[0]))


@contextmanager
def reading(reader: AnyReader) -> Iterator[None]:
    """Turn what a damaged bag raises into a CellError."""
    try:
        yield
    except UNREADABLE as error:
        raise CellError(
            f'bag {directory_of(reader)} is damaged: {str(error) or type(error).__name__}'
        ) from error


def connections_of(reader: AnyReader, topic: str, types: tuple[str, ...]):
    """Connections of a topic in any namespace; CellError if two cells are in the bag."""
    found = [c for c in reader.connections if c.topic.endswith(f'/{topic}') and c.msgtype in types]
    topics = {c.topic for c in found}
    if len(topics) > 1:
        raise CellError(
            f'bag {directory_of(reader)} has {topic} of several cells '
            f'({", ".join(sorted(topics))}); record one cell in one bag'
        )
    return found


def camera_connections(reader: AnyReader, camera: str):
    """Connections of a camera's images; the uncompressed ones where both were recorded."""
    plain = connections_of(reader, names.IMAGE.format(camera=camera), IMAGE_TYPES[:1])
    return plain or [
        c for c in reader.connections if f'/{camera}/' in c.topic and c.msgtype in IMAGE_TYPES
    ]


def stamp_of(data: bytes, recorded: int) -> int:
    """Stamp (ns) in a serialised message's header; the time of recording where it has none."""
    order = '<' if data[1] & 1 else '>'
    seconds, ns = struct.unpack_from(f'{order}iI', data, 4)
    return seconds * 10**9 + ns or recorded


def read_raw(
    reader: AnyReader,
    cameras: tuple[str, ...],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RawRecording:
    """Read a raw bag; CellError naming what is missing, damaged or in another unit."""
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
    images = {camera: camera_connections(reader, camera) for camera in cameras}
    missing = ([] if arms['follower'] else ['follower/joint_states']) + [
        f'images of {camera}' for camera, found in images.items() if not found
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
    cameras_by_id = {c.id: camera for camera, found in images.items() for c in found}
    samples: dict[str, list] = {name: [] for name in (*arms, 'marks', 'rewards')}
    frames: dict[str, list] = {camera: [] for camera in cameras}
    wanted = [c for c in reader.connections if c.id in decode or c.id in cameras_by_id]
    total = sum(c.msgcount for c in wanted)
    for count, (connection, recorded, data) in enumerate(reader.messages(wanted)):
        if count % 1000 == 0:
            progress(count, total)
        stamp = stamp_of(data, recorded)
        camera = cameras_by_id.get(connection.id)
        if camera:
            frames[camera].append((stamp, recorded))
            continue
        name, take = decode[connection.id]
        try:
            samples[name].append((stamp, take(reader.deserialize(data, connection.msgtype))))
        except CellError as error:
            raise CellError(
                f'bag {directory}: {connection.topic}: {error}; nothing is guessed, so it is '
                'refused'
            ) from error
    progress(total, total)
    streams = {name: _stream(found) for name, found in samples.items()}
    given = {name: stream if len(stream) else None for name, stream in streams.items()}
    recording = RawRecording(
        reader,
        streams['follower'],
        given['leader'],
        given['commands'],
        given['marks'],
        given['rewards'],
        {camera: _stream(found) for camera, found in frames.items()},
    )
    for name in arms:
        if len(streams[name]):
            values = np.array(streams[name].values)
            streams[name].values = values
            recording.notes += _unit_notes(directory, name, values)
    disorder = sum(s.disorder for s in (*streams.values(), *recording.frames.values()))
    if disorder:
        recording.notes.append(f'{disorder} stamps were out of order and were sorted')
    return recording


def _stream(samples: list[tuple[int, object]]) -> Stream:
    stamps = np.array([stamp for stamp, _ in samples], np.int64)
    order = np.argsort(stamps, kind='stable')
    return Stream(stamps[order], [samples[i][1] for i in order], int((np.diff(stamps) < 0).sum()))


def _unit_notes(directory: Path, stream: str, values: np.ndarray) -> list[str]:
    """What reaches past a joint's limit; CellError if no arm can be there."""
    notes = []
    for i, joint in enumerate(JOINTS):
        low, high = values[:, i].min(), values[:, i].max()
        past = max(LOWER[i] - low, high - UPPER[i])
        reach = (
            f'{stream} {joint} goes from {low:.2f} to {high:.2f}, its limits are '
            f'{LOWER[i]:.2f} and {UPPER[i]:.2f} rad'
        )
        if past > BEYOND:
            raise CellError(
                f'bag {directory}: {reach}: are these degrees? Nothing is guessed; record in '
                'rad, or convert the bag'
            )
        if past > 0.02:
            notes.append(reach)
    return notes


def pixels_of(reader: AnyReader, connection, data: bytes) -> np.ndarray:
    """(height, width, 3) uint8 RGB of a serialised image of either type."""
    message: Any = reader.deserialize(data, connection.msgtype)
    try:
        return np.ascontiguousarray(message_to_cvimage(message, 'rgb8'))
    except (ImageError, ValueError, TypeError, cv2.error) as error:
        raise CellError(f'{connection.topic}: an image cannot be decoded: {error}') from error


def image_size(reader: AnyReader, camera: str) -> tuple[int, int] | None:
    """Width and height of a camera's first image; None if the bag has none of it."""
    with reading(reader):
        found = camera_connections(reader, camera)
        for connection, _, data in reader.messages(found) if found else ():
            return pixels_of(reader, connection, data).shape[1::-1]
    return None


def read_frames(
    reader: AnyReader,
    camera: str,
    wanted: set[int],
) -> Iterator[tuple[int, np.ndarray]]:
    """Time of recording and (height, width, 3) uint8 RGB of the wanted frames of a camera."""
    with reading(reader):
        found = camera_connections(reader, camera)
        for connection, recorded, data in reader.messages(
            found, start=min(wanted), stop=max(wanted) + 1
        ):
            if recorded in wanted:
                yield recorded, pixels_of(reader, connection, data)
