"""Records topics to a rosbag2, as `ros2 bag record` does, on systems without it.

`python -m hilserl_tests.raw_recorder DIRECTORY SECONDS`; messages are stored unchanged.
"""

from collections.abc import Iterable
from pathlib import Path
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from sensor_msgs.msg import Image, JointState

from hilserl_core.bags.cdr import typestore
from so101_interfaces.msg import ActorStatus, Reward, Step
from so101_node import names

TOPICS = (
    (names.JOINT_STATES.format(arm='follower'), JointState, 'sensor_msgs/msg/JointState'),
    (names.JOINT_STATES.format(arm='leader'), JointState, 'sensor_msgs/msg/JointState'),
    (names.JOINT_COMMANDS.format(arm='follower'), JointState, 'sensor_msgs/msg/JointState'),
    (names.IMAGE.format(camera=names.WRIST_CAMERA), Image, 'sensor_msgs/msg/Image'),
    (names.ACTOR_STATUS, ActorStatus, 'so101_interfaces/msg/ActorStatus'),
    (names.REWARD, Reward, 'so101_interfaces/msg/Reward'),
    (names.STEP, Step, 'so101_interfaces/msg/Step'),
)


def record(directory: Path, seconds: float) -> dict[str, int]:
    """Record for `seconds`; return the number of messages of each topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('raw_recorder', context=context)
    counts = {topic: 0 for topic, _, _ in TOPICS}
    writer = Writer(directory, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    quality = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
    with writer:
        for topic, kind, name in TOPICS:
            connection = writer.add_connection(f'/{topic}', name, typestore=typestore())

            def store(
                data: bytes, topic: str = topic, connection: Connection = connection
            ) -> None:
                writer.write(connection, time.time_ns(), data)
                counts[topic] += 1

            node.create_subscription(kind, topic, store, quality, raw=True)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown(context=context)
    return counts


def without(bag: Path, topics: Iterable[str], out: Path) -> Path:
    """Copy a recording without these topics; return the copy."""
    left_out = {f'/{topic}' for topic in topics}
    with (
        Reader(bag) as reader,
        Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        kept = {
            c.id: writer.add_connection(c.topic, c.msgtype, msgdef=c.msgdef.data, rihs01=c.digest)
            for c in reader.connections
            if c.topic not in left_out
        }
        for connection, stamp, data in reader.messages():
            if connection.id in kept:
                writer.write(kept[connection.id], stamp, data)
    return out


if __name__ == '__main__':
    print(record(Path(sys.argv[1]), float(sys.argv[2])))
