"""Converts the pixels of a sensor_msgs/Image to RGB: those encodings that camera nodes publish."""

import numpy as np
import numpy.typing as npt

from .errors import CellError
from .refusals import short

Pixels = npt.NDArray[np.uint8]

# Bytes of a pixel. yuv422 and uyvy are the same, and so are yuv422_yuy2 and yuyv.
BYTES = {
    'rgb8': 3,
    'bgr8': 3,
    'rgba8': 4,
    'bgra8': 4,
    'mono8': 1,
    'yuv422_yuy2': 2,
    'yuyv': 2,
    'yuv422': 2,
    'uyvy': 2,
}


def to_rgb(data: Pixels, height: int, width: int, step: int, encoding: str) -> Pixels:
    """Return the pixels of an image, bytes in rows of `step`, as (height, width, 3) uint8 RGB.

    A view of the bytes if its channels need no conversion. CellError for another encoding,
    ValueError if the sizes do not fit.
    """
    if encoding not in BYTES:
        raise CellError(
            f'camera image has encoding {short(encoding, 40)}; set its node to one of '
            + ', '.join(BYTES)
        )
    each = BYTES[encoding]
    pixels = data.reshape(height, step)[:, : width * each].reshape(height, width, each)
    if encoding == 'mono8':
        return np.repeat(pixels, 3, axis=2)
    if each == 2:
        return _from_yuv(pixels, encoding)
    return pixels[:, :, 2::-1] if encoding.startswith('bgr') else pixels[:, :, :3]


def _from_yuv(pixels: Pixels, encoding: str) -> Pixels:
    """Return 4:2:2 pixels, (height, width, 2), as RGB."""
    import cv2  # few cells need it

    if pixels.shape[1] % 2 or not pixels.size:
        raise ValueError(f'an image of {encoding} has a width of {pixels.shape[1]}')
    is_yuyv = encoding in ('yuyv', 'yuv422_yuy2')
    code = cv2.COLOR_YUV2RGB_YUYV if is_yuyv else cv2.COLOR_YUV2RGB_UYVY
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), code), np.uint8)
