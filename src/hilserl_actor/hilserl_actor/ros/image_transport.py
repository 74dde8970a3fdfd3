"""Images of a camera as they are sent: raw, or compressed as image_transport does it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image

from hilserl_core.contract.observation import require_size
from hilserl_core.contract.task import CameraSpec
from so101_node import names
from so101_node.cdr import image_from_cdr, stamp_from_cdr
from so101_node.compressed_image import compressed_from_cdr, decoded
from so101_node.errors import CellError

Pixels = npt.NDArray[np.uint8]


class ImageTransport(NamedTuple):
    """How images are sent. topic: a template.

    check(message, camera): returns the stamp (ns) of a serialised message; CellError if it has no
    image of the camera's size. read(message): returns its stamp and (height, width, 3) uint8 RGB.
    """

    kind: type[Any]
    topic: str
    check: Callable[[bytes, CameraSpec], int]
    read: Callable[[bytes], tuple[int, Pixels]]


def _check_raw(message: bytes, camera: CameraSpec) -> int:
    stamp = stamp_from_cdr(message)
    require_size(image_from_cdr(message)[1], camera)
    return stamp


def _check_compressed(message: bytes, camera: CameraSpec) -> int:
    """Look at the header only: an image is decoded when a tick needs it."""
    stamp, size, _ = compressed_from_cdr(message)
    expected = camera.source_width, camera.source_height
    if size != expected:
        raise CellError(
            f'camera {camera.name}: compressed image has {size[0]}x{size[1]} pixels, the task '
            f'expects {expected[0]}x{expected[1]}; make the sizes of camera and task equal'
        )
    return stamp


def _read_compressed(message: bytes) -> tuple[int, Pixels]:
    stamp, _, pixels = compressed_from_cdr(message)
    return stamp, decoded(pixels)


RAW = ImageTransport(Image, names.IMAGE, _check_raw, image_from_cdr)
COMPRESSED = ImageTransport(
    CompressedImage, names.COMPRESSED_IMAGE, _check_compressed, _read_compressed
)
TRANSPORTS = {'raw': RAW, 'compressed': COMPRESSED}
