"""Image serialisation: exact in both directions, equal to rclpy's, errors as one sentence."""

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from so101_node.cdr import image_from_cdr, image_to_cdr
from so101_node.errors import CellError

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


def message_of(image, encoding, padding):
    """Return a message as another camera node may publish it."""
    height, width, _ = image.shape
    rows = np.zeros((height, width * 3 + padding), np.uint8)
    rows[:, : width * 3] = image.reshape(height, -1)
    message = Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(STAMP, 10**9)
    message.data = array('B', rows.tobytes())
    return message


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_images_of_other_nodes_are_rgb(encoding, padding):
    image = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
    stored = image if encoding == 'rgb8' else image[:, :, ::-1]
    stamp, read = image_from_cdr(serialize_message(message_of(stored, encoding, padding)))
    assert stamp == STAMP and np.array_equal(read, image)


def test_a_message_that_is_no_colour_image_is_refused_with_one_sentence():
    message = message_of(np.zeros((6, 4, 3), np.uint8), 'mono8', 0)
    with pytest.raises(CellError, match='encoding mono8; rgb8 or bgr8 is needed'):
        image_from_cdr(serialize_message(message))
    message = message_of(np.zeros((6, 4, 3), np.uint8), 'rgb8', 0)
    message.height = 7
    with pytest.raises(CellError, match='are no sensor_msgs/msg/Image'):
        image_from_cdr(serialize_message(message))


@settings(deadline=None)  # the first message of a type loads its library
@given(st.binary(max_size=200))
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(CellError):
        image_from_cdr(data)
