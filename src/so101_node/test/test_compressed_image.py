"""Compressed images as image_transport sends them."""

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage

from so101_node.compressed_image import compressed_from_cdr, decoded
from so101_node.errors import CellError

IMAGE = np.mgrid[0:37, 0:91, 0:3].sum(axis=0).astype(np.uint8) + np.array([0, 60, 90], np.uint8)


def message(ending, image=IMAGE, kind='rgb8; jpeg compressed bgr8', cut=0):
    data = cv2.imencode(ending, image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()
    made = CompressedImage(format=kind, data=data[: len(data) - cut])
    made.header.stamp.sec, made.header.stamp.nanosec = 7, 5
    made.header.frame_id = 'camera'
    return serialize_message(made)


@pytest.mark.parametrize('ending, difference', [('.png', 0), ('.jpg', 3)])
def test_a_compressed_image_is_read_as_rgb_with_its_stamp_and_size(ending, difference):
    stamp, size, pixels = compressed_from_cdr(message(ending))
    assert (stamp, size) == (7 * 10**9 + 5, (91, 37))
    error = np.abs(decoded(pixels).astype(int) - IMAGE).mean()
    assert error == 0 if difference == 0 else error < difference


def test_red_stays_red():
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    assert decoded(compressed_from_cdr(message('.jpg', red))[2])[8, 8].tolist() == [254, 0, 0]


def test_a_grey_image_becomes_rgb():
    grey = np.full((16, 16), 90, np.uint8)
    image = decoded(compressed_from_cdr(message('.png', grey, 'mono8; png compressed '))[2])
    assert image.shape == (16, 16, 3) and (image == 90).all()


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'cut': 40}, 'it was cut off'),
        ({'kind': 'bayer_rggb8; jpeg compressed bayer_rggb8'}, 'publish colour images'),
        ({'kind': '16UC1; compressedDepth png'}, 'publish colour images'),
        ({'image': np.zeros((8, 8), np.uint16)}, '16 bits a channel'),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_in_one_sentence(changes, words):
    with pytest.raises(CellError, match=words):
        compressed_from_cdr(message('.png', **changes))


def test_a_damaged_body_gives_an_image_of_the_announced_size_or_one_sentence():
    data = bytearray(message('.png'))
    middle = len(data) // 2
    data[middle - 600 : middle + 600] = bytes(1200)
    try:
        image = decoded(compressed_from_cdr(bytes(data))[2])
    except CellError:
        return
    assert image.shape == IMAGE.shape


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused_in_one_sentence(data):
    for bytes_ in (data, message('.jpg')[:60] + data):
        try:
            decoded(compressed_from_cdr(bytes_)[2])
        except CellError as error:
            assert '\n' not in str(error)
