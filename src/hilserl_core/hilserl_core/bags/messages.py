"""so101_interfaces/Step and Task to and from their plain data. The only ROS in the step's path."""

from array import array

from builtin_interfaces.msg import Time
import numpy as np
from sensor_msgs.msg import Image

from so101_interfaces.msg import Step, Task
from so101_node.names import BASE_FRAME

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema
from .cdr import pixels


def step_to_message(step: StepRecord) -> Step:
    """The message of a record."""
    message = Step(
        schema_hash=step.schema_hash,
        episode_id=step.episode_id,
        index=step.index,
        state=array('f', step.state),
        action=array('f', step.action),
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
    message.header.stamp = to_time(step.stamp)
    message.header.frame_id = BASE_FRAME
    for name, stamp, frame in zip(step.cameras, step.image_stamps, step.images):
        height, width, channels = frame.shape
        image = Image(
            height=height,
            width=width,
            encoding='rgb8',
            step=channels * width,
            data=array('B', frame.tobytes()),
        )
        image.header.stamp = to_time(stamp)
        image.header.frame_id = name
        message.images.append(image)
    return message


def step_from_message(message: Step) -> StepRecord:
    """The record of a message; CellError if an image is not whole or not rgb8."""
    return StepRecord(
        stamp=to_ns(message.header.stamp),
        schema_hash=message.schema_hash,
        episode_id=message.episode_id,
        index=message.index,
        cameras=tuple(image.header.frame_id for image in message.images),
        image_stamps=tuple(to_ns(image.header.stamp) for image in message.images),
        images=tuple(pixels(image) for image in message.images),
        state=np.array(message.state, np.float32),
        action=np.array(message.action, np.float32),
        source=message.source,
        reward=message.reward if message.has_reward else None,
        terminated=message.terminated,
        truncated=message.truncated,
        last=message.last,
        outcome=message.outcome,
        policy_version=message.policy_version,
        sigma=message.sigma,
    )


def task_to_message(schema: TaskSchema) -> Task:
    """The latched contract."""
    return Task(name=schema.name, schema_hash=schema.hash, schema=schema.canonical())


def to_time(ns: int) -> Time:
    """ROS time of ns."""
    return Time(sec=ns // 10**9, nanosec=ns % 10**9)


def to_ns(time) -> int:
    """Time in ns of a stamp."""
    return time.sec * 10**9 + time.nanosec
