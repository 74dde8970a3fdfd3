"""What is read of a PNG or JPEG before it is decoded."""

import struct

import cv2
import numpy as np
import pytest

from so101_node.encoded_image import MAX_PIXELS, require_size, require_whole, size


@pytest.mark.parametrize('ending', ['.png', '.jpg'])
def test_the_size_of_an_encoded_image_is_read_from_its_header(ending):
    image = np.random.default_rng(0).integers(0, 256, (37, 91, 3), np.uint8)
    data = cv2.imencode(ending, image)[1].tobytes()
    assert size(data) == (91, 37)
    for cut in range(30):
        with pytest.raises(ValueError, match='header|PNG|pixels'):
            require_size(data[: cut if ending == '.jpg' else min(cut, 20)])
    side = int(MAX_PIXELS**0.5) + 1
    with pytest.raises(ValueError, match='allowed are'):
        require_size(b'\x89PNG\r\n\x1a\n' + bytes(8) + struct.pack('>II', side, side))
    with pytest.raises(ValueError, match='neither PNG nor JPEG'):
        require_size(b'II*\0' + bytes(100))


@pytest.mark.parametrize('ending', ['.png', '.jpg'])
def test_an_image_that_was_cut_off_is_refused(ending):
    image = np.random.default_rng(0).integers(0, 256, (37, 91, 3), np.uint8)
    data = cv2.imencode(ending, image)[1].tobytes()
    require_whole(data)
    require_whole(data + bytes(3))  # padding
    for cut in range(40, len(data), 97):
        with pytest.raises(ValueError, match='cut off'):
            require_whole(data[:cut])


def test_a_depth_image_of_16_bits_is_refused():
    data = cv2.imencode('.png', np.zeros((8, 8), np.uint16))[1].tobytes()
    with pytest.raises(ValueError, match='16 bits a channel'):
        require_whole(data)
