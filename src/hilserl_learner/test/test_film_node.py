"""./cell watch --play as a process: viewers get the images, and nothing else is published."""

import os
import signal
import subprocess
import sys
import time

import cv2
from domain_coordinator import domain_id
from learner_support.finished_run import finished_run
import numpy as np
import pytest
import rclpy
from sensor_msgs.msg import CompressedImage

from so101_node import names, qos

pytestmark = pytest.mark.graph


def test_viewers_get_every_camera_and_the_film_until_ctrl_c(schema, tmp_path):
    run = finished_run(schema, tmp_path)
    with domain_id() as domain:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        player = subprocess.Popen(
            [sys.executable, '-m', 'so101_node.verb', 'watch', str(run), 'last', '--play'],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        rclpy.init()
        node = rclpy.create_node('viewer')
        received = {names.WATCHED.format(camera='wrist_camera'): [], names.WATCHED_FILM: []}
        for topic, messages in received.items():
            node.create_subscription(CompressedImage, topic, messages.append, qos.SENSOR_SUB)
        try:
            end = time.monotonic() + 60.0
            while min(map(len, received.values())) < 5:
                assert time.monotonic() < end and player.poll() is None
                rclpy.spin_once(node, timeout_sec=0.1)
            published = {
                topic
                for topic, _ in node.get_publisher_names_and_types_by_node('watch', '/')
                if topic not in ('/rosout', '/parameter_events')
            }
        finally:
            player.send_signal(signal.SIGINT)
            output, _ = player.communicate(timeout=20.0)
            rclpy.shutdown()
            node.destroy_node()
        assert player.returncode == 0, output
        assert published == {f'/{topic}' for topic in received}
        for topic, messages in received.items():
            image = cv2.imdecode(np.frombuffer(messages[0].data, np.uint8), cv2.IMREAD_COLOR)
            assert image.shape[0] >= 64, topic
            assert 'jpeg' in messages[0].format and topic in output
