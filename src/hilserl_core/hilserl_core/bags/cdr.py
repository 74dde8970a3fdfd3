"""Conversion of Step and Task messages to and from CDR bytes, and the message types for rosbags.

A step is serialised once: the same bytes are published and written to its bag. They equal the
bytes from rclpy except for alignment padding, which CDR leaves undefined. Any ROS 2 program can
read them.
"""

from functools import cache, lru_cache
from pathlib import Path
import struct
from typing import NamedTuple

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from so101_node.cdr import ImageFields, Reader, Writer, decode
from so101_node.errors import CellError
from so101_node.names import BASE_FRAME
from so101_node.refusals import short

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema

STEP_TYPE = 'so101_interfaces/msg/Step'
TASK_TYPE = 'so101_interfaces/msg/Task'
_INDEX = struct.Struct('<II')  # index, count of images
# source, reward, has_reward, terminated, truncated, last, outcome, policy_version, sigma
_AFTER = struct.Struct('<B3xf4?B3xIf')


@cache
def typestore() -> Typestore:
    """The ROS 2 types of rosbags, with the suite's own message types."""
    try:
        share = Path(get_package_share_directory('so101_interfaces'))
    except PackageNotFoundError as error:
        raise CellError(
            'so101_interfaces is not installed here, but bags need its definitions; build it '
            'and source install/setup.bash'
        ) from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in sorted((share / 'msg').glob('*.msg')):
        store.register(get_types_from_msg(file.read_text(), f'so101_interfaces/msg/{file.stem}'))
    return store


@cache
def known_definitions(message_type: str) -> frozenset[str]:
    """ROS type hashes of the definitions that can be read: this version's and the one before.

    Before 0.2.0, steps and tasks had no `run_id`, which is the last field now.
    """
    share = Path(get_package_share_directory('so101_interfaces'))
    text = (share / 'msg' / f'{message_type.rpartition("/")[2]}.msg').read_text()
    lines = [line for line in text.splitlines(True) if not line.startswith('string run_id')]
    before = get_typestore(Stores.ROS2_JAZZY)
    before.register(get_types_from_msg(''.join(lines), message_type))
    return frozenset(store.hash_rihs01(message_type) for store in (typestore(), before))


@cache
def definition_hash(text: str, message_type: str) -> str:
    """ROS type hash of a message type as a bag defines it."""
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(text, message_type))
    return store.hash_rihs01(message_type)


def step_to_cdr(step: StepRecord) -> bytes | memoryview:
    """The Step message's bytes, made at the first call unless the step was read from bytes."""
    data = _write_step(step) if step.cdr is None else step.cdr
    if step.cdr is None:
        object.__setattr__(step, 'cdr', data)
    return data


def _write_step(step: StepRecord) -> bytes:
    cdr = Writer()
    cdr.stamp(step.stamp)
    cdr.text(BASE_FRAME)
    cdr.text(step.schema_hash)
    cdr.text(step.episode_id)
    cdr.fields(_INDEX, step.index, len(step.images))
    for name, stamp, image in zip(step.cameras, step.image_stamps, step.images, strict=True):
        cdr.image(stamp, name, image)
    cdr.numbers(step.state, np.float32)
    cdr.numbers(step.action, np.float32)
    cdr.fields(
        _AFTER,
        step.source,
        0.0 if step.reward is None else step.reward,
        step.reward is not None,
        step.terminated,
        step.truncated,
        step.last,
        step.outcome,
        step.policy_version,
        step.sigma,
    )
    cdr.text(step.run_id)
    return cdr.data()


def step_from_cdr(data: bytes | memoryview) -> StepRecord:
    """Decode a Step message.

    CellError if the bytes are no Step, or if an image is incomplete or not rgb8. The images are
    views of `data`. The record keeps `data` for `step_to_cdr`.
    """
    step = decode(data, STEP_TYPE, _read_step)
    object.__setattr__(step, 'cdr', data)
    return step


def _read_step(cdr: Reader) -> StepRecord:
    stamp, _ = cdr.stamp(), cdr.text()
    schema_hash, episode_id = cdr.text(), cdr.text()
    index, count = cdr.fields(_INDEX)
    images = [cdr.image() for _ in range(count)]
    state, action = cdr.numbers(np.float32), cdr.numbers(np.float32)
    (source, reward, has_reward, terminated, truncated, last, outcome, policy_version, sigma) = (
        cdr.fields(_AFTER)
    )
    run_id = cdr.text() if cdr.more() else ''
    return StepRecord(
        stamp=stamp,
        schema_hash=schema_hash,
        episode_id=episode_id,
        index=index,
        cameras=tuple(image.frame_id for image in images),
        image_stamps=tuple(image.stamp for image in images),
        images=tuple(map(_image_array, images)),
        state=state.copy(),  # a view may be unaligned; this copy is small
        action=action.copy(),
        source=source,
        reward=reward if has_reward else None,
        terminated=terminated,
        truncated=truncated,
        last=last,
        outcome=outcome,
        policy_version=policy_version,
        sigma=sigma,
        run_id=run_id,
    )


def _image_array(image: ImageFields) -> npt.NDArray[np.uint8]:
    if image.encoding != 'rgb8' or image.data.size != image.height * image.width * 3:
        raise CellError(
            f'image of {short(image.frame_id, 40) or "an unnamed camera"} has encoding '
            f'{short(repr(image.encoding), 40)} '
            f'and {image.data.size} bytes for {image.width}x{image.height}; steps hold rgb8 '
            'without padding'
        )
    return image.data.reshape(image.height, image.width, 3)


class PublishedTask(NamedTuple):
    """The content of a Task message."""

    schema: TaskSchema
    run_id: str


def task_to_cdr(schema: TaskSchema, run_id: str = '') -> bytes:
    """The Task message's bytes."""
    cdr = Writer()
    for text in (schema.name, schema.hash, schema.to_json(), run_id):
        cdr.text(text)
    return cdr.data()


def task_from_cdr(data: bytes | memoryview) -> PublishedTask:
    """Decode a Task message; CellError if the bytes are no Task, or of another version."""
    digest, text, run_id = decode(data, TASK_TYPE, _read_task)
    schema = _task(text)
    if schema.hash != digest:
        raise CellError(
            f'task {schema.name[:100]} does not have the hash {digest[:64]} that it claims'
        )
    return PublishedTask(schema, run_id)


def _read_task(cdr: Reader) -> tuple[str, str, str]:
    _, digest, text = cdr.text(), cdr.text(), cdr.text()
    return digest, text, cdr.text() if cdr.more() else ''


@lru_cache(8)
def _task(text: str) -> TaskSchema:
    return TaskSchema.from_json(text)
