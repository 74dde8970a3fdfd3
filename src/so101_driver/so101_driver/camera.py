"""Reads a camera in a thread: V4L2 through OpenCV.

The thread reopens a lost camera, with growing pauses. A video file works too; it plays at
`camera_rate` and starts again at its end.
"""

from collections.abc import Callable
import math
import os
import threading
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .camera_controls import ControlReport, apply
from .camera_format import Request, choose, fit
from .camera_options import CameraOptions
from .cameras import formats_of, list_cameras
from .v4l2 import VideoDevice

Image = npt.NDArray[np.uint8]

STALLED = 3  # s without an image after which OpenCV gives a camera up; its default is 10
PAUSES = (0.2, 0.5, 1.0, 2.0)  # s between attempts to open a lost camera
_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


class Camera:
    """Calls `on_image(stamp_ns, image)` with each image: (height, width, 3) uint8, RGB.

    The size is `options.image_size`. `open()` raises CellError if there is no camera or it has no
    fitting format. `log(text)` reports later losses, what was chosen and what was refused.
    """

    def __init__(
        self,
        options: CameraOptions,
        on_image: Callable[[int, Image], None],
        log: Callable[[str], object],
    ):
        self.options, self.device, self.rate = options, options.device_path, options.camera_rate
        self.images = self.reopened = 0
        self.last_at = -math.inf  # monotonic s of the last image
        self.request: Request | None = None  # None for a file
        self.controls = ControlReport()
        self._on_image, self._log = on_image, log
        self._told: set[str] = set()
        self._is_file = os.path.isfile(self.device)
        self._closing = threading.Event()
        self._capture: Any = None  # cv2.VideoCapture while it is open

    def open(self) -> None:
        """Open the device, read one image and set the controls."""
        os.environ.setdefault('OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT', str(STALLED))
        # The sentences below replace OpenCV's own messages.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if not os.path.exists(self.device):
            raise CellError(
                f'{self.device}: no such camera; plug it in, or set camera_device to one of: '
                + _present()
            )
        try:
            if not self._is_file:
                self.request = self._choose()
            self._start(self.request)
            read, image = self._capture.read()
            if not read:
                raise CellError(
                    'opens but delivers no image; another program may use it, or it is no camera'
                )
        except CellError as error:
            raise CellError(f'{self.device}: {error}') from None
        self._fitted(image)
        if not self._is_file:
            self._set_controls()

    def _choose(self) -> Request:
        """Return what to request from the device; CellError if it is no camera."""
        options = self.options
        size = options.camera_width, options.camera_height
        try:
            with VideoDevice(self.device) as device:
                what = device.capability()
                if not what.buffer_type:
                    raise CellError(f'delivers no images; the cameras are: {_present()}')
                formats = formats_of(device, what.buffer_type)
        except PermissionError:
            raise CellError('no permission to open it; join the group video') from None
        except OSError as error:
            raise CellError(f'is no camera ({error.strerror}); they are: {_present()}') from None
        if not formats:  # a driver without these lists: request, and look at what comes
            return Request(options.fourcc or 'MJPG', *size)
        return choose(formats, *size, options.camera_rate, options.fourcc)

    def _start(self, request: Request | None) -> None:
        self._capture = cv2.VideoCapture(self.device, cv2.CAP_V4L2 if request else cv2.CAP_ANY)
        if request is None:
            return
        if request.note:
            self._tell(f'{self.device}: {request.note}')
        for key, value in (
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*request.fourcc)),
            (cv2.CAP_PROP_FRAME_WIDTH, request.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, request.height),
            (cv2.CAP_PROP_FPS, self.rate),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(key, value)

    def _set_controls(self) -> None:
        """Set the controls again after each opening: a camera that lost its power forgets them."""
        try:
            with VideoDevice(self.device) as device:
                self.controls = apply(device, self.options.controls)
        except OSError:
            return  # it was unplugged this moment; the reading thread notices
        for sentence in self.controls.refused:
            self._tell(f'{self.device}: {sentence}')

    def _tell(self, sentence: str) -> None:
        """Log a sentence once, however often the camera is opened."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._log(sentence)

    def _fitted(self, image: Image) -> Image:
        """Return an image of the device in the published size and orientation."""
        options = self.options
        try:
            fitted = fit(image, options.camera_width, options.camera_height)
        except CellError as error:
            raise CellError(f'{self.device}: {error}') from None
        if fitted is not image and self.request is None:
            size = f'{options.camera_width}x{options.camera_height}'
            self._tell(
                f'{self.device}: its images have {image.shape[1]}x{image.shape[0]} pixels; the '
                f'middle is resized to {size}'
            )
        if options.camera_rotation:
            rotation = _ROTATIONS[options.camera_rotation]
            fitted = np.asarray(cv2.rotate(fitted, rotation), np.uint8)
        return fitted

    def run(self) -> None:
        """Read images until `close()`."""
        due = time.monotonic()
        while not self._closing.is_set():
            read, image = self._capture.read()
            if not read:
                self._reopen()
                continue
            stamp = time.time_ns()
            image = np.asarray(cv2.cvtColor(self._fitted(image), cv2.COLOR_BGR2RGB), np.uint8)
            self.images, self.last_at = self.images + 1, time.monotonic()
            self._on_image(stamp, image)
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


def _present() -> str:
    """Return the cameras of this computer as a part of a sentence."""
    texts = [f'{each.stable_path} ({each.card})' for each in list_cameras()]
    return ', '.join(texts) or 'none is plugged in'
