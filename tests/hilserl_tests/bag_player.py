"""Plays a rosbag2 as `ros2 bag play` does, on systems without it.

`python -m hilserl_tests.bag_player BAG`: the stored bytes, on their topics, at their times. It has
no `--remap`: it is what a person does who does not know that a cell is running.
"""

from pathlib import Path
import sys
import time

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.rosbag2 import Reader

from .message_strategies import type_of


def play(bag: Path) -> int:
    """Publish every message of a bag; return how many."""
    rclpy.init()
    node = rclpy.create_node('rosbag2_player')
    quality = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    count = 0
    with Reader(bag) as reader:
        publishers = {
            connection.id: node.create_publisher(
                type_of(connection.msgtype), connection.topic, quality
            )
            for connection in reader.connections
        }
        time.sleep(1.0)  # discovery
        began, first = time.monotonic(), None
        for connection, stamp, data in reader.messages():
            first = stamp if first is None else first
            time.sleep(max(began + (stamp - first) * 1e-9 - time.monotonic(), 0.0))
            publishers[connection.id].publish(bytes(data))
            count += 1
    time.sleep(0.5)
    return count


if __name__ == '__main__':
    print(play(Path(sys.argv[1])), flush=True)
