"""Chooses the pixel format and the size to request from a camera, and fits its images."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .cameras import CameraFormat

# What OpenCV decodes, the preferred ones first: MJPG needs a tenth of the USB bandwidth of YUYV.
DECODED = (
    *('MJPG', 'YUYV', 'UYVY', 'NV12', 'NV21', 'YU12', 'YV12', 'BGR3', 'RGB3', 'JPEG', 'GREY'),
    *('Y16 ', 'Y10 ', '411P', 'BA81', 'GBRG'),
)
ENOUGH = 0.95  # of the wanted rate: 29.97 Hz is 30 Hz
_MOST_NAMED = 12  # formats in an error sentence


class Request(NamedTuple):
    """What to request from the camera. note: what differs from the wish, or ''."""

    fourcc: str
    width: int
    height: int
    note: str = ''


def choose(
    formats: Sequence[CameraFormat], width: int, height: int, rate: float, fourcc: str = ''
) -> Request:
    """Return the request that comes nearest to images of width x height (pixels) at `rate` (Hz).

    fourcc: the pixel format, '' for any. An exact size is preferred, then the smallest larger
    one, then a format that reaches the rate, then the order of DECODED. CellError if no format
    fits; the sentence has no device.
    """
    usable = [each for each in formats if each.fourcc in ([fourcc] if fourcc else DECODED)]
    if not usable:
        wanted = f'camera_format:={fourcc}' if fourcc else 'a format that can be decoded'
        raise CellError(f'does not offer {wanted}; it offers {_listed(formats)}')
    if fourcc and fourcc not in DECODED:
        raise CellError(
            f'camera_format:={fourcc} cannot be decoded; choose one of '
            + ', '.join(format_.strip() for format_ in DECODED)
        )
    found = [
        (size[0] * size[1], max(each.rates, default=rate) < ENOUGH * rate, each, size)
        for each in usable
        if (size := _covering(each, width, height))
    ]
    if not found:
        raise CellError(
            f'has no size of {width}x{height} or more; set camera_width and camera_height to one '
            f'that it offers: {_listed(usable)}'
        )
    _, is_slow, each, size = min(
        found, key=lambda one: (one[0], one[1], DECODED.index(one[2].fourcc))
    )
    notes = []
    if size != (width, height):
        notes.append(
            f'has no {width}x{height}: it is read at {size[0]}x{size[1]}, the middle is resized'
        )
    if is_slow:
        notes.append(
            f'delivers {each.fourcc} {size[0]}x{size[1]} at {max(each.rates):.4g} Hz at most, '
            f'not at {rate:.4g}'
        )
    return Request(each.fourcc, *size, '; '.join(notes))


def _covering(each: CameraFormat, width: int, height: int) -> tuple[int, int] | None:
    """Return the smallest size of a format that is at least that large; None: it has none."""
    sides = []
    for low, wanted, high, step in zip(
        each.smallest, (width, height), (each.width, each.height), each.step
    ):
        side = low + max(0, -(-(wanted - low) // step)) * step
        if side > high:
            return None
        sides.append(side)
    return sides[0], sides[1]


def _listed(formats: Sequence[CameraFormat]) -> str:
    texts = [str(each) for each in formats[:_MOST_NAMED]]
    more = len(formats) - len(texts)
    return ', '.join(texts) + (f' and {more} more' if more else '') if texts else 'none'


def fit(image: npt.NDArray[np.uint8], width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return an image (h, w, 3) as (height, width, 3): the middle of a larger one, resized.

    CellError if it is smaller.
    """
    high, wide = image.shape[:2]
    if (wide, high) == (width, height):
        return image
    if wide < width or high < height:
        raise CellError(
            f'delivers {wide}x{high}, not {width}x{height}; set camera_width and camera_height to '
            'a size that it has'
        )
    scale = min(wide / width, high / height)
    crop_wide, crop_high = round(width * scale), round(height * scale)
    left, top = (wide - crop_wide) // 2, (high - crop_high) // 2
    crop = image[top : top + crop_high, left : left + crop_wide]
    return np.asarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
