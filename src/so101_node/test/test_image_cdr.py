"""Image serialisation: exact in both directions, equal to rclpy's, errors as one sentence."""

from array import array

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from so101_node.cdr import image_from_cdr, image_to_cdr
from so101_node.errors import CellError
from so101_node.image_encodings import BYTES

STAMP = 1_700_000_000 * 10**9 + 7
IMAGE = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@settings(deadline=None)  # the first message of a type loads its library
@given(IMAGE, st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1), st.text('abc', max_size=9))
def test_a_serialised_image_is_read_back_exactly_and_by_rclpy_too(image, stamp, frame):
    data = image_to_cdr(stamp, frame, image)
    read_stamp, read = image_from_cdr(data)
    assert read_stamp == stamp and np.array_equal(read, image)
    assert np.shares_memory(read, np.frombuffer(data, np.uint8))
    message = deserialize_message(data, Image)
    assert message.header.frame_id == frame and message.encoding == 'rgb8'
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp
    assert (message.height, message.width, message.step) == (
        *image.shape[:2],
        3 * image.shape[1],
    )
    assert bytes(message.data) == image.tobytes()
    assert len(serialize_message(message)) == len(data)


def message_of(rows, width, encoding, padding):
    """Return a message as another camera node may publish it; rows: bytes (height, n)."""
    height = len(rows)
    rows = np.pad(rows.reshape(height, -1), ((0, 0), (0, padding)))
    message = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(STAMP, 10**9)
    message.data = array('B', rows.tobytes())
    return message


COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
RGB = COLOURS.repeat(4, axis=0).repeat(4, axis=1)  # 8x8, of four colours


def in_yuv(code):
    """Return RGB in 4:2:2, (8, 8, 2) uint8."""
    return cv2.cvtColor(RGB, code)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    'encoding, pixels',
    [
        ('rgb8', RGB),
        ('bgr8', RGB[:, :, ::-1]),
        ('rgba8', np.dstack([RGB, np.full((8, 8), 7, np.uint8)])),
        ('bgra8', np.dstack([RGB[:, :, ::-1], np.full((8, 8), 7, np.uint8)])),
        ('yuyv', in_yuv(cv2.COLOR_RGB2YUV_YUYV)),
        ('yuv422_yuy2', in_yuv(cv2.COLOR_RGB2YUV_YUYV)),
        ('uyvy', in_yuv(cv2.COLOR_RGB2YUV_UYVY)),
        ('yuv422', in_yuv(cv2.COLOR_RGB2YUV_UYVY)),
    ],
)
def test_images_of_other_nodes_become_rgb(encoding, pixels, padding):
    stamp, read = image_from_cdr(serialize_message(message_of(pixels, 8, encoding, padding)))
    assert stamp == STAMP and read.shape == (8, 8, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - RGB).max() <= (3 if pixels.shape[2] == 2 else 0)


def test_a_grey_image_has_three_equal_channels():
    grey = np.random.default_rng(0).integers(0, 256, (6, 4), np.uint8)
    _, read = image_from_cdr(serialize_message(message_of(grey, 4, 'mono8', 3)))
    assert np.array_equal(read, grey[:, :, None].repeat(3, axis=2))


@pytest.mark.parametrize('encoding', ['16UC1', 'bayer_rggb16', 'nv21', '', '8UC3'])
def test_an_encoding_that_is_not_read_is_refused_with_those_that_are(encoding):
    message = message_of(np.zeros((6, 4, 3), np.uint8), 4, encoding, 0)
    with pytest.raises(CellError, match='set its node to one of rgb8, bgr8, .*, mono8, yuv422_y'):
        image_from_cdr(serialize_message(message))


@pytest.mark.parametrize(
    'encoding, width, height',
    [('rgb8', 4, 7), ('yuyv', 5, 6), ('yuyv', 0, 6), ('bayer_rggb8', 12, 2)],
)
def test_sizes_that_do_not_fit_are_no_image(encoding, width, height):
    message = message_of(np.zeros((6, 4, 3), np.uint8), width, encoding, 0)
    message.height = height
    with pytest.raises(CellError, match='are no sensor_msgs/msg/Image'):
        image_from_cdr(serialize_message(message))


SIDE = st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1))


@settings(deadline=None)
@given(st.sampled_from(list(BYTES)), SIDE, SIDE, SIDE, st.integers(0, 80))
def test_any_sizes_give_an_image_of_that_size_or_one_sentence(encoding, height, width, step, size):
    message = Image(height=height, width=width, encoding=encoding, step=step)
    message.data = array('B', bytes(size))
    try:
        _, read = image_from_cdr(serialize_message(message))
    except CellError as error:
        assert '\n' not in str(error)
    else:
        assert read.shape == (height, width, 3) and read.dtype == np.uint8


@settings(deadline=None)  # the first message of a type loads its library
@given(st.binary(max_size=200))
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(CellError):
        image_from_cdr(data)
