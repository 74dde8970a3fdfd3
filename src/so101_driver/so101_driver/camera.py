"""A camera as a thread that always has the next frame read: V4L2 through OpenCV.

A camera that goes away is opened again, with growing pauses. A video file works as well; it
plays at `rate`, over and over.
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
    """Calls `take(stamp_ns, image)` with each frame: (height, width, 3) uint8, RGB.

    `open()` raises CellError where there is no camera or one of another size; `log(text)` tells
    of losses later.
    """

    def __init__(self, device: str, width: int, height: int, rate: float, take, log):
        self.device, self.width, self.height, self.rate = device, width, height, rate
        self.frames = self.reopened = 0
        self.last_at = -math.inf  # monotonic s of the last frame
        self._take, self._log = take, log
        self._is_file = os.path.isfile(device)
        self._closing = threading.Event()
        self._capture: Any = None  # cv2.VideoCapture while it is open

    def open(self) -> None:
        """Open the device and take one frame."""
        # what OpenCV would print is in the sentences below
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if not os.path.exists(self.device):
            raise CellError(
                f'{self.device}: no such camera; plug it in, or set device to one '
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
                f'{self.device}: opens but gives no frame; another program may '
                'hold it, or it is no camera'
            )
        if image.shape[:2] != (self.height, self.width):
            raise CellError(
                f'{self.device}: gives {image.shape[1]}x{image.shape[0]}, not {self.width}x'
                f'{self.height}; set width and height to a size that it has'
            )

    def run(self) -> None:
        """Take frames until `close()`."""
        due = time.monotonic()
        while not self._closing.is_set():
            read, image = self._capture.read()
            if not read:
                self._reopen()
                continue
            self.frames, self.last_at = self.frames + 1, time.monotonic()
            self._take(time.time_ns(), cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            if self._is_file:  # a device blocks until its next frame, a file does not
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
                    self._log(f'{self.device}: back')
                return
            except CellError:
                self._closing.wait(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1

    def close(self) -> None:
        """Ask the thread to end."""
        self._closing.set()
