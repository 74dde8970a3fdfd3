"""Decodes a sensor_msgs/CompressedImage, as image_transport publishes it: JPEG or PNG.

Size, bits and end are checked before anything is decoded: OpenCV fills what is missing of an image
that was cut off with grey, and says nothing.
"""

import numpy as np
import numpy.typing as npt

from .cdr import Reader, decode
from .encoded_image import require_size, require_whole, size
from .errors import CellError
from .refusals import short

COMPRESSED_TYPE = 'sensor_msgs/msg/CompressedImage'
Pixels = npt.NDArray[np.uint8]


def compressed_from_cdr(data: bytes | memoryview) -> tuple[int, tuple[int, int], Pixels]:
    """Return the stamp (ns), (width, height) and the encoded bytes (n,) uint8 of a message.

    The bytes are a view of the message's. CellError if they are no whole JPEG or PNG of 8 bits.
    """
    return decode(data, COMPRESSED_TYPE, _fields)


def _fields(reader: Reader) -> tuple[int, tuple[int, int], Pixels]:
    stamp, _, kind = reader.stamp(), reader.text(), reader.text()
    pixels = reader.numbers(np.uint8)
    encoded = pixels.tobytes()
    if 'bayer' in kind or 'compressedDepth' in kind:
        raise CellError(
            f'compressed image is of {short(kind, 40)}; publish colour images, as rgb8'
        )
    try:
        require_size(encoded)
        require_whole(encoded)
    except ValueError as error:
        raise CellError(f'compressed image cannot be used: {error}') from error
    return stamp, size(encoded), pixels


def decoded(pixels: Pixels) -> Pixels:
    """Return (height, width, 3) uint8 RGB of encoded bytes (n,) uint8; CellError if damaged."""
    import cv2  # few cells need it

    try:
        image = cv2.imdecode(pixels, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise CellError(f'compressed image is damaged: {short(error, 80)}') from error
    if image is None:
        raise CellError('compressed image is damaged')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
