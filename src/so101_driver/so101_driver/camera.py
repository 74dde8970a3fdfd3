"""Reads a camera in a thread: V4L2 through OpenCV.

The thread reopens a lost camera, with growing pauses. A video file works too; it plays at `rate`
and starts again at its end.
"""

import math
import os
import threading
import time
from typing import Any

import cv2

from so101_node.errors import CellError

PAUSES = (0.2, 0.5, 1.0, 2.0)  # s between attempts to open a lost camera


class Camera:
    """Calls `on_image(stamp_ns, image)` with each image: (height, width, 3) uint8, RGB.

    `open()` raises CellError if there is no camera or it has another image size. `log(text)`
    reports later losses.
    """

    def __init__(self, device: str, width: int, height: int, rate: float, on_image, log):
        self.device, self.width, self.height, self.rate = device, width, height, rate
        self.images = self.reopened = 0
        self.last_at = -math.inf  # monotonic s of the last image
        self._on_image, self._log = on_image, log
        self._is_file = os.path.isfile(device)
        self._closing = threading.Event()
        self._capture: Any = None  # cv2.VideoCapture while it is open

    def open(self) -> None:
        """Open the device and read one image."""
        # The sentences below replace OpenCV's own messages.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if not os.path.exists(self.device):
            raise CellError(
                f'{self.device}: no such camera; plug it in, or set camera_device to one '
                'of /dev/video* or /dev/v4l/by-id/*'
            )
        self._capture = cv2.VideoCapture(
            self.device, cv2.CAP_ANY if self._is_file else cv2.CAP_V4L2
        )
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'))
        for key, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, self.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, self.height),
            (cv2.CAP_PROP_FPS, self.rate),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(key, value)
        read, image = self._capture.read()
        if not read:
            raise CellError(
                f'{self.device}: opens but delivers no image; another program may '
                'use it, or it is no camera'
            )
        if image.shape[:2] != (self.height, self.width):
            raise CellError(
                f'{self.device}: delivers {image.shape[1]}x{image.shape[0]}, not {self.width}x'
                f'{self.height}; set camera_width and camera_height to a size that it has'
            )

    def run(self) -> None:
        """Read images until `close()`."""
        due = time.monotonic()
        while not self._closing.is_set():
            read, image = self._capture.read()
            if not read:
                self._reopen()
                continue
            self.images, self.last_at = self.images + 1, time.monotonic()
            self._on_image(time.time_ns(), cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            if self._is_file:  # a device blocks until its next image, a file does not
                due = max(due + 1.0 / self.rate, time.monotonic())
                self._closing.wait(due - time.monotonic())
        self._capture.release()

    def _reopen(self) -> None:
        if not self._is_file:
            self._log(f'{self.device}: lost; trying to open it again')
        attempt = 0
        while not self._closing.is_set():
            self._capture.release()
            try:
                self.open()
                self.reopened += not self._is_file
                if not self._is_file:
                    self._log(f'{self.device}: reconnected')
                return
            except CellError:
                self._closing.wait(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1

    def close(self) -> None:
        """Ask the thread to end."""
        self._closing.set()
