"""Conversion to RGB: recorded results, and the same ones through cv_bridge."""

import sys
from types import ModuleType

import cv2
import numpy as np
import pytest

from so101_node import image_encodings
from so101_node.image_encodings import BYTES, to_rgb

# A Bayer pattern's colours (R 200, G 120, B 40) at the corners of each 2x2 block.
MOSAICS = {
    'bayer_rggb8': [[200, 120], [120, 40]],
    'bayer_bggr8': [[40, 120], [120, 200]],
    'bayer_gbrg8': [[120, 40], [200, 120]],
    'bayer_grbg8': [[120, 200], [40, 120]],
}
YUV = [[254, 0, 0], [255, 74, 73]]
# Two pixels of each encoding -> their RGB, recorded with OpenCV 4.13.
RECORDED = {
    'rgb8': ([10, 20, 30, 40, 50, 60], [[10, 20, 30], [40, 50, 60]]),
    'bgr8': ([10, 20, 30, 40, 50, 60], [[30, 20, 10], [60, 50, 40]]),
    'rgba8': ([10, 20, 30, 1, 40, 50, 60, 2], [[10, 20, 30], [40, 50, 60]]),
    'bgra8': ([10, 20, 30, 1, 40, 50, 60, 2], [[30, 20, 10], [60, 50, 40]]),
    'mono8': ([10, 200], [[10, 10, 10], [200, 200, 200]]),
    'yuyv': ([81, 90, 145, 240], YUV),
    'yuv422_yuy2': ([81, 90, 145, 240], YUV),
    'uyvy': ([90, 81, 240, 145], YUV),
    'yuv422': ([90, 81, 240, 145], YUV),
}


class FakeBridge:
    """cv_bridge's CvBridge, as documented, for what it is asked for here."""

    asked = ()

    def imgmsg_to_cv2(self, message, desired_encoding):
        FakeBridge.asked = (message.encoding, desired_encoding)
        channels = {'mono8': 1, 'yuv422': 2, 'yuv422_yuy2': 2, 'bgra8': 4, 'rgba8': 4, 'bgr8': 3}
        count = channels.get(message.encoding, 1)
        pixels = np.ndarray(
            (message.height, message.step // count, count), np.uint8, buffer=message.data
        )[:, : message.width]
        codes = {
            'mono8': cv2.COLOR_GRAY2RGB,
            'bgr8': cv2.COLOR_BGR2RGB,
            'rgba8': cv2.COLOR_RGBA2RGB,
            'bgra8': cv2.COLOR_BGRA2RGB,
            'yuv422': cv2.COLOR_YUV2RGB_UYVY,
            'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUYV,
            'bayer_rggb8': cv2.COLOR_BAYER_BG2RGB,
            'bayer_bggr8': cv2.COLOR_BAYER_RG2RGB,
            'bayer_gbrg8': cv2.COLOR_BAYER_GR2RGB,
            'bayer_grbg8': cv2.COLOR_BAYER_GB2RGB,
        }
        return cv2.cvtColor(np.ascontiguousarray(pixels), codes[message.encoding])


@pytest.fixture(params=['without cv_bridge', 'with cv_bridge'])
def bridged(request, monkeypatch):
    """Whether cv_bridge is installed."""
    image_encodings._bridge.cache_clear()
    FakeBridge.asked = ()
    has_bridge = request.param == 'with cv_bridge'
    module = ModuleType('cv_bridge') if has_bridge else None  # None: its import fails
    if module:
        module.CvBridge = FakeBridge
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    yield has_bridge
    image_encodings._bridge.cache_clear()


def test_every_encoding_is_tested():
    assert set(RECORDED) | set(MOSAICS) == set(BYTES)


@pytest.mark.parametrize('encoding', RECORDED)
@pytest.mark.parametrize('padding', [0, 5])
def test_two_pixels_become_the_recorded_ones(bridged, encoding, padding):
    data, expected = RECORDED[encoding]
    row = np.array([*data, *[0] * padding], np.uint8)
    read = to_rgb(np.tile(row, 3), 3, 2, row.size, encoding)
    assert read.dtype == np.uint8 and read.tolist() == [expected] * 3
    # rgb8 and rgba8 are a view of the bytes, which needs no conversion
    assert bool(FakeBridge.asked) == (bridged and not encoding.startswith('rgb'))


@pytest.mark.parametrize('encoding', MOSAICS)
def test_a_bayer_pattern_of_one_colour_becomes_that_colour(bridged, encoding):
    mosaic = np.tile(np.array(MOSAICS[encoding], np.uint8), (3, 4))
    read = to_rgb(mosaic.ravel(), 6, 8, 8, encoding)
    assert read.shape == (6, 8, 3) and np.unique(read.reshape(-1, 3), axis=0).tolist() == [
        [200, 120, 40]
    ]
    assert FakeBridge.asked == ((encoding, 'rgb8') if bridged else ())


def test_cv_bridge_and_the_fallback_give_the_same_array(monkeypatch):
    rng = np.random.default_rng(3)
    for encoding, each in BYTES.items():
        data = rng.integers(0, 256, 10 * 8 * each, np.uint8)
        arrays = []
        for found in (None, FakeBridge):
            image_encodings._bridge.cache_clear()
            module = ModuleType('cv_bridge') if found else None
            if module:
                module.CvBridge = found
            monkeypatch.setitem(sys.modules, 'cv_bridge', module)
            arrays.append(to_rgb(data, 10, 8, 8 * each, encoding))
        assert np.array_equal(*arrays), encoding
    image_encodings._bridge.cache_clear()
