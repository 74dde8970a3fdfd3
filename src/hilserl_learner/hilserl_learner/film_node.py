"""Plays recorded episodes on image topics of its own, so that any viewer shows them.

It commands nothing and no node of a cell subscribes to its topics, so it may run beside a cell.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import NoReturn

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage

from so101_node import names, qos
from so101_node.ros_node import CellNode, run

from .film.drawing import pictures
from .film.episodes import RecordedEpisode

QUALITY = 90  # of the JPEGs
FILM = 'episode'  # frame of the pictures with cameras and caption


class FilmNode(CellNode):
    """Publishes the images of episodes at the task's rate times `speed`, again and again."""

    def __init__(self, episodes: list[RecordedEpisode], speed: float):
        super().__init__('watch')
        cameras = {camera.name for episode in episodes for camera in episode.schema.cameras}
        topics = {camera: names.WATCHED.format(camera=camera) for camera in sorted(cameras)}
        self._images = {
            camera: self.create_publisher(CompressedImage, topic, qos.SENSOR_PUB)
            for camera, topic in ({FILM: names.WATCHED_FILM} | topics).items()
        }
        self._left = (tick for episode in cycle(episodes) for tick in _ticks(episode))
        self.create_timer(1.0 / (episodes[0].schema.rate * speed), self._publish)
        for publisher in self._images.values():
            self.get_logger().info(f'images on {publisher.topic_name}')

    def _publish(self) -> None:
        stamp = self.get_clock().now().to_msg()
        for camera, data in next(self._left).items():
            message = CompressedImage(format='jpeg', data=data)
            message.header.stamp, message.header.frame_id = stamp, camera
            self._images[camera].publish(message)


def _ticks(episode: RecordedEpisode) -> Iterator[dict[str, bytes]]:
    """For each picture of an episode: camera -> JPEG."""
    for at, picture in enumerate(pictures(episode)):
        step = episode.steps[min(at, len(episode.steps) - 1)]
        images = zip(step.cameras, step.images, strict=True)
        yield {FILM: _jpeg(picture)} | {name: _jpeg(image) for name, image in images}


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    """An RGB image as JPEG."""
    _, data = cv2.imencode('.jpg', image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def play(episodes: list[RecordedEpisode], speed: float) -> NoReturn:
    """Publish the episodes until Ctrl-C, then end the process."""
    run(lambda: FilmNode(episodes, speed))
    raise AssertionError('run() ends the process')
