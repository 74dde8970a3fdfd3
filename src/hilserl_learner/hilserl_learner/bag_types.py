"""Steps and tasks to and from CDR without ROS, by so101_interfaces' own definitions.

The bytes are those that rclpy serialises, but for its undefined alignment padding, so any ROS 2
program reads the bags.
"""
from functools import cache
from pathlib import Path

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from so101_description.errors import CellError
from so101_description.names import BASE_FRAME

from .steps import StepRecord
from .task import TaskSchema

STEP_TYPE = 'so101_interfaces/msg/Step'
TASK_TYPE = 'so101_interfaces/msg/Task'


@cache
def typestore():
    """rosbags' types of ROS 2 with the suite's own from the installed definitions."""
    try:
        share = Path(get_package_share_directory('so101_interfaces'))
    except PackageNotFoundError as error:
        raise CellError(
            'so101_interfaces is not installed here, and bags need its definitions; build it '
            'and source install/setup.bash') from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((share / 'msg').glob('*.msg')):
        store.register(
            get_types_from_msg(file.read_text(), f'so101_interfaces/msg/{file.stem}'))
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
            height=pixels.shape[0], width=pixels.shape[1], encoding='rgb8', is_bigendian=0,
            step=3 * pixels.shape[1], data=pixels.reshape(-1))
        for name, stamp, pixels in zip(step.cameras, step.image_stamps, step.images)]
    message = types[STEP_TYPE](
        header=header(stamp=_time(step.stamp), frame_id=BASE_FRAME),
        schema_hash=step.schema_hash, episode_id=step.episode_id, index=step.index,
        images=images, state=step.state, action=step.action, source=int(step.source),
        reward=step.reward or 0.0, has_reward=step.reward is not None,
        terminated=step.terminated, truncated=step.truncated, last=step.last,
        outcome=int(step.outcome), policy_version=step.policy_version, sigma=step.sigma)
    return typestore().serialize_cdr(message, STEP_TYPE)


def step_from_cdr(data) -> StepRecord:
    """The record of a Step's serialised bytes; CellError if an image is not whole or rgb8."""
    message = _decode(data, STEP_TYPE)
    return StepRecord(
        stamp=_ns(message.header.stamp), schema_hash=message.schema_hash,
        episode_id=message.episode_id, index=message.index,
        cameras=tuple(image.header.frame_id for image in message.images),
        image_stamps=tuple(_ns(image.header.stamp) for image in message.images),
        images=tuple(pixels(image) for image in message.images),
        state=np.array(message.state, np.float32), action=np.array(message.action, np.float32),
        source=message.source, reward=message.reward if message.has_reward else None,
        terminated=message.terminated, truncated=message.truncated, last=message.last,
        outcome=message.outcome, policy_version=message.policy_version, sigma=message.sigma)


def task_to_cdr(schema: TaskSchema) -> memoryview:
    """The Task message's serialised bytes."""
    message = typestore().types[TASK_TYPE](
        name=schema.name, schema_hash=schema.hash, schema=schema.canonical())
    return typestore().serialize_cdr(message, TASK_TYPE)


def task_from_cdr(data) -> TaskSchema:
    """The schema of a Task's serialised bytes."""
    return TaskSchema.from_json(_decode(data, TASK_TYPE).schema)


def pixels(image) -> np.ndarray:
    """(height, width, 3) uint8 of an rgb8 image, of rclpy or of rosbags; a copy."""
    if image.encoding != 'rgb8' or len(image.data) != image.height * image.width * 3:
        raise CellError(
            f'image of {image.header.frame_id or "an unnamed camera"} has encoding '
            f'{image.encoding!r} and {len(image.data)} bytes for {image.width}x{image.height}; '
            'steps hold rgb8 without padding')
    return np.array(image.data, np.uint8).reshape(image.height, image.width, 3)


def _decode(data, message_type: str):
    try:
        return typestore().deserialize_cdr(data, message_type)
    except SerdeError as error:
        raise CellError(f'these bytes are no {message_type}: {error}') from error


def _time(ns: int):
    return typestore().types['builtin_interfaces/msg/Time'](
        sec=ns // 10**9, nanosec=ns % 10**9)


def _ns(time) -> int:
    return time.sec * 10**9 + time.nanosec
