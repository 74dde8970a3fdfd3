"""Steps and tasks to and from CDR without ROS, by so101_interfaces' own definitions.

The bytes are those that rclpy serialises, but for its undefined alignment padding, so any ROS 2
program reads the bags.
"""

from functools import cache, lru_cache
from pathlib import Path
import struct

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from so101_node.errors import CellError
from so101_node.names import BASE_FRAME

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema

STEP_TYPE = 'so101_interfaces/msg/Step'
TASK_TYPE = 'so101_interfaces/msg/Task'


@cache
def typestore():
    """Types of ROS 2 as rosbags has them, with the suite's own from the installed definitions."""
    try:
        share = Path(get_package_share_directory('so101_interfaces'))
    except PackageNotFoundError as error:
        raise CellError(
            'so101_interfaces is not installed here, and bags need its definitions; build it '
            'and source install/setup.bash'
        ) from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((share / 'msg').glob('*.msg')):
        store.register(get_types_from_msg(file.read_text(), f'so101_interfaces/msg/{file.stem}'))
    return store


@cache
def definition_hash(text: str, message_type: str) -> str:
    """ROS type hash of a message type as a bag defines it."""
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(text, message_type))
    return store.hash_rihs01(message_type)


def step_to_cdr(step: StepRecord) -> memoryview:
    """The Step message's serialised bytes."""
    types = typestore().types
    header, image_type = types['std_msgs/msg/Header'], types['sensor_msgs/msg/Image']
    images = [
        image_type(
            header=header(stamp=_time(stamp), frame_id=name),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding='rgb8',
            is_bigendian=0,
            step=3 * pixels.shape[1],
            data=pixels.reshape(-1),
        )
        for name, stamp, pixels in zip(step.cameras, step.image_stamps, step.images)
    ]
    message = types[STEP_TYPE](
        header=header(stamp=_time(step.stamp), frame_id=BASE_FRAME),
        schema_hash=step.schema_hash,
        episode_id=step.episode_id,
        index=step.index,
        images=images,
        state=step.state,
        action=step.action,
        source=int(step.source),
        reward=step.reward or 0.0,
        has_reward=step.reward is not None,
        terminated=step.terminated,
        truncated=step.truncated,
        last=step.last,
        outcome=int(step.outcome),
        policy_version=step.policy_version,
        sigma=step.sigma,
    )
    return typestore().serialize_cdr(message, STEP_TYPE)


def step_from_cdr(data) -> StepRecord:
    """The record of a Step's serialised bytes.

    CellError if they are none, or an image is not whole or rgb8.

    Field by field, in the order of Step.msg: rosbags' own reader takes three times as long, and
    a run's steps are all read when it starts. Images are views of `data`.
    """
    try:
        return _read_step(_Cdr(data))
    except (struct.error, ValueError, IndexError) as error:
        raise CellError(f'these bytes are no {STEP_TYPE}: {error}') from error


def _read_step(cdr: '_Cdr') -> StepRecord:
    stamp, _ = cdr.stamp(), cdr.text()
    schema_hash, episode_id = cdr.text(), cdr.text()
    index, count = cdr.take(_TWO, 4)
    cameras, image_stamps, images = [], [], []
    for _ in range(count):
        image_stamps.append(cdr.stamp())
        cameras.append(cdr.text())
        height, width = cdr.take(_TWO, 4)
        encoding = cdr.text()
        cdr.take(_ENDIAN, 1), cdr.take(_ONE, 4)  # no pixel has more than a byte; no padding
        images.append(whole(cameras[-1], encoding, height, width, cdr.numbers(np.uint8)))
    state, action = cdr.numbers(np.float32), cdr.numbers(np.float32)
    (source, reward, has_reward, terminated, truncated, last, outcome, policy_version, sigma) = (
        cdr.take(_AFTER, 4)
    )
    return StepRecord(
        stamp=stamp,
        schema_hash=schema_hash,
        episode_id=episode_id,
        index=index,
        cameras=tuple(cameras),
        image_stamps=tuple(image_stamps),
        images=tuple(images),
        state=state.copy(),
        action=action.copy(),
        source=source,
        reward=reward if has_reward else None,
        terminated=terminated,
        truncated=truncated,
        last=last,
        outcome=outcome,
        policy_version=policy_version,
        sigma=sigma,
    )


class _Cdr:
    """Plain CDR, little-endian, read from front to back."""

    def __init__(self, data):
        self._data, self._at = memoryview(data), 4
        if self._data[1] != 1:
            raise ValueError(f'their encoding is {self._data[1]}, not little-endian CDR')

    def take(self, fields: struct.Struct, align: int) -> tuple:
        at = self._at + (-self._at % align)
        self._at = at + fields.size
        return fields.unpack_from(self._data, at)

    def stamp(self) -> int:
        seconds, ns = self.take(_STAMP, 4)
        return seconds * 10**9 + ns

    def text(self) -> str:
        (length,) = self.take(_ONE, 4)
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError('they end too early')
        return str(self._data[start : self._at - 1], 'utf-8')

    def numbers(self, kind) -> np.ndarray:
        (count,) = self.take(_ONE, 4)
        start, self._at = self._at, self._at + count * np.dtype(kind).itemsize
        return np.frombuffer(self._data, kind, count, start)


_ONE, _TWO, _STAMP, _ENDIAN, _AFTER = map(
    struct.Struct, ('<I', '<II', '<iI', '<B', '<B3xf4?B3xIf')
)


def task_to_cdr(schema: TaskSchema) -> memoryview:
    """The Task message's serialised bytes."""
    message = typestore().types[TASK_TYPE](
        name=schema.name, schema_hash=schema.hash, schema=schema.canonical()
    )
    return typestore().serialize_cdr(message, TASK_TYPE)


def task_from_cdr(data) -> TaskSchema:
    """The schema of a Task's serialised bytes."""
    return _task(_decode(data, TASK_TYPE).schema)


@lru_cache(8)
def _task(text: str) -> TaskSchema:
    return TaskSchema.from_json(text)


def pixels(image) -> np.ndarray:
    """(height, width, 3) uint8 of an rgb8 image, of rclpy or of rosbags; a copy."""
    return whole(
        image.header.frame_id,
        image.encoding,
        image.height,
        image.width,
        np.array(image.data, np.uint8),
    )


def whole(camera: str, encoding: str, height: int, width: int, data: np.ndarray) -> np.ndarray:
    """Bytes as (height, width, 3); CellError if they are not an rgb8 image of that size."""
    if encoding != 'rgb8' or data.size != height * width * 3:
        raise CellError(
            f'image of {camera or "an unnamed camera"} has encoding {encoding!r} and {data.size} '
            f'bytes for {width}x{height}; steps hold rgb8 without padding'
        )
    return data.reshape(height, width, 3)


def _decode(data, message_type: str):
    try:
        return typestore().deserialize_cdr(data, message_type)
    except SerdeError as error:
        raise CellError(f'these bytes are no {message_type}: {error}') from error


def _time(ns: int):
    return typestore().types['builtin_interfaces/msg/Time'](sec=ns // 10**9, nanosec=ns % 10**9)
