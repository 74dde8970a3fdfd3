"""The newest image of each camera, as JPEG: the whole one, and what the policy sees of it."""

from collections.abc import Callable
import threading

import cv2
import numpy as np
import numpy.typing as npt

from hilserl_core.contract.observation import crop_resize
from hilserl_core.contract.task import CameraSpec
from so101_node.cdr import image_from_cdr
from so101_node.errors import CellError

WIDTH = 480  # px of an image on the page, at most
QUALITY = {'live': 70, 'policy': 90}
KINDS = ('live', 'policy')
Pixels = npt.NDArray[np.uint8]
Read = Callable[[bytes], tuple[int, Pixels]]  # serialised message -> stamp, image


class Pictures:
    """Takes serialised images at any rate; encodes the newest one when it is asked to."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraSpec | None] = {}  # None: the task does not use it
        self.counts: dict[str, int] = {}  # images that arrived
        self._newest: dict[str, bytes] = {}
        self._read: dict[str, Read] = {}
        self._lock = threading.Lock()

    def add_camera(self, name: str, read: Read = image_from_cdr) -> None:
        """Add a camera. read: of its messages; CellError if one has no image."""
        self.cameras[name], self.counts[name], self._read[name] = None, 0, read

    def crop(self, name: str, spec: CameraSpec) -> None:
        """Note the crop of a camera for the policy."""
        self.cameras[name] = spec

    def put(self, camera: str, message: bytes) -> None:
        """Take a serialised image."""
        with self._lock:
            self._newest[camera] = message
            self.counts[camera] += 1

    def encode(self, camera: str) -> dict[str, bytes]:
        """Return kind (KINDS) -> JPEG of the newest image; {} if none can be shown."""
        with self._lock:
            message = self._newest.get(camera)
        if message is None:
            return {}
        try:
            _, image = self._read[camera](message)
        except CellError:
            return {}
        found = {'live': _jpeg(_smaller(image), QUALITY['live'])}
        spec = self.cameras[camera]
        if spec is not None:
            try:
                found['policy'] = _jpeg(crop_resize(image, spec), QUALITY['policy'])
            except CellError:  # the actor says that its size is wrong
                pass
        return found


def crop_box(spec: CameraSpec) -> list[float]:
    """Return left, top, width and height of the policy's crop, as shares of the image."""
    return [
        spec.left / spec.source_width,
        spec.top / spec.source_height,
        spec.width / spec.source_width,
        spec.height / spec.source_height,
    ]


def _smaller(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    if width <= WIDTH:
        return image
    size = (WIDTH, round(height * WIDTH / width))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: Pixels, quality: int) -> bytes:
    _, data = cv2.imencode('.jpg', image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
