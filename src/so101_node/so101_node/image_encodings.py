"""Converts the pixels of a sensor_msgs/Image to RGB: those encodings that camera nodes publish.

Where cv_bridge is installed it converts; elsewhere OpenCV does, with the same results.
"""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import CellError
from .refusals import short

Pixels = npt.NDArray[np.uint8]

# Bytes of a pixel.
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
    'bayer_rggb8': 1,
    'bayer_bggr8': 1,
    'bayer_gbrg8': 1,
    'bayer_grbg8': 1,
}
# Two names of one encoding -> the one that every version of cv_bridge knows.
_SAME = {'yuyv': 'yuv422_yuy2', 'uyvy': 'yuv422'}
# OpenCV names a Bayer pattern by its second row, from the second column on.
_CODES = {
    'yuv422_yuy2': 'COLOR_YUV2RGB_YUYV',
    'yuv422': 'COLOR_YUV2RGB_UYVY',
    'bayer_rggb8': 'COLOR_BayerBG2RGB',
    'bayer_bggr8': 'COLOR_BayerRG2RGB',
    'bayer_gbrg8': 'COLOR_BayerGR2RGB',
    'bayer_grbg8': 'COLOR_BayerGB2RGB',
}
_LEAST_BAYER = 3  # pixels a side, for the interpolation


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
    each, name = BYTES[encoding], _SAME.get(encoding, encoding)
    pixels = data.reshape(height, step)[:, : width * each].reshape(height, width, each)
    if name.startswith('rgb'):
        return pixels[:, :, :3]
    if (each == 2 and width % 2) or not pixels.size:
        raise ValueError(f'an image of {encoding} has {width}x{height} pixels')
    if name.startswith('bayer') and min(height, width) < _LEAST_BAYER:
        raise ValueError(f'an image of {encoding} has {width}x{height} pixels')
    convert = _bridge() or _without_bridge
    return convert(np.ascontiguousarray(pixels), name)


def _without_bridge(pixels: Pixels, encoding: str) -> Pixels:
    """Return contiguous (height, width, n) pixels as RGB."""
    if encoding == 'mono8':
        return np.repeat(pixels, 3, axis=2)
    if encoding.startswith('bgr'):
        return pixels[:, :, 2::-1]
    import cv2  # few cells need it

    code = getattr(cv2, _CODES[encoding])
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


@cache
def _bridge() -> Callable[[Pixels, str], Pixels] | None:
    """Return the conversion of cv_bridge; None where it is not installed, or does not load."""
    try:
        from cv_bridge import CvBridge
    except (ImportError, AttributeError, RuntimeError):  # built for another NumPy, for example
        return None
    convert: Callable[[Any, str], Any] = CvBridge().imgmsg_to_cv2

    def call(pixels: Pixels, encoding: str) -> Pixels:
        height, width, each = pixels.shape
        message = SimpleNamespace(
            height=height,
            width=width,
            step=width * each,  # without padding: cv_bridge expects whole pixels
            encoding=encoding,
            is_bigendian=0,
            data=pixels.reshape(-1),
        )
        return np.asarray(convert(message, 'rgb8'), np.uint8)

    return call
