"""Which format and size a camera is asked for, and how its images get the wanted size."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from so101_driver.camera_format import choose, fit
from so101_driver.cameras import CameraFormat
from so101_node.errors import CellError


def offered(fourcc, width, height, *rates, smallest=None, step=(1, 1)):
    return CameraFormat(fourcc, width, height, rates, smallest or (width, height), step)


WEBCAM = [
    offered('YUYV', 640, 480, 30.0),
    offered('YUYV', 1280, 720, 10.0),
    offered('MJPG', 640, 480, 30.0, 15.0),
    offered('MJPG', 1280, 720, 30.0),
    offered('H264', 800, 600, 60.0),
]


@pytest.mark.parametrize(
    'wanted, request_',
    [
        ((640, 480, 30.0), ('MJPG', 640, 480)),
        ((640, 480, 30.0, 'YUYV'), ('YUYV', 640, 480)),
        ((800, 600, 30.0), ('MJPG', 1280, 720)),  # H264 cannot be decoded
        ((640, 400, 30.0), ('MJPG', 640, 480)),
    ],
)
def test_the_exact_size_comes_first_then_the_next_larger_one(wanted, request_):
    assert choose(WEBCAM, *wanted)[:3] == request_


def test_at_one_size_the_rate_matters_more_than_the_format():
    formats = [offered('MJPG', 640, 480, 15.0), offered('YUYV', 640, 480, 29.97)]
    assert choose(formats, 640, 480, 30.0) == ('YUYV', 640, 480, '')
    assert choose(formats, 640, 480, 15.0).fourcc == 'MJPG'


def test_the_exact_size_matters_more_than_the_rate_and_the_lack_is_told():
    formats = [offered('MJPG', 1280, 720, 30.0), offered('YUYV', 640, 480, 10.0)]
    request = choose(formats, 640, 480, 30.0)
    assert request[:3] == ('YUYV', 640, 480) and 'at 10 Hz at most' in request.note


def test_what_differs_from_the_wish_is_in_the_note():
    assert choose(WEBCAM, 640, 480, 30.0).note == ''
    note = choose(WEBCAM, 1280, 700, 30.0, 'YUYV').note
    assert 'has no 1280x700: it is read at 1280x720' in note
    assert 'at 10 Hz at most, not at 30' in note


def test_a_range_of_sizes_gives_the_exact_one_or_the_next_step():
    ranged = [offered('YUYV', 2592, 1944, 60.0, 5.0, smallest=(32, 32), step=(16, 2))]
    assert choose(ranged, 640, 480, 30.0) == ('YUYV', 640, 480, '')
    assert choose(ranged, 650, 481, 30.0)[1:3] == (656, 482)
    assert choose(ranged, 16, 16, 30.0)[1:3] == (32, 32)


@pytest.mark.parametrize(
    'wanted, words',
    [
        ((1920, 1080, 30.0), 'no size of 1920x1080 or more; .* YUYV 1280x720 at 10 Hz'),
        ((640, 480, 30.0, 'NV12'), 'does not offer camera_format:=NV12; it offers YUYV 640x480'),
        ((640, 480, 30.0, 'H264'), 'camera_format:=H264 cannot be decoded; choose one of MJPG'),
    ],
)
def test_what_cannot_be_had_is_one_sentence(wanted, words):
    with pytest.raises(CellError, match=words):
        choose(WEBCAM, *wanted)


def test_a_camera_whose_formats_cannot_be_decoded_is_one_sentence():
    with pytest.raises(CellError, match='a format that can be decoded; it offers H264 800x600'):
        choose(WEBCAM[-1:], 640, 480, 30.0)


def test_the_middle_of_a_wide_image_is_kept_without_distortion():
    image = np.zeros((720, 1280, 3), np.uint8)
    image[260:460, 540:740] = 255  # a square in the middle
    white = fit(image, 640, 480)[:, :, 0] > 127
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    assert abs(len(rows) - len(columns)) <= 1
    assert rows.mean() == pytest.approx(239.5, abs=1) and columns.mean() == pytest.approx(
        319.5, abs=1
    )


@given(*[st.integers(16, 99)] * 2, *[st.integers(0, 50)] * 2)
def test_any_larger_image_gets_exactly_the_wanted_size(width, height, more_width, more_height):
    image = np.zeros((height + more_height, width + more_width, 3), np.uint8)
    assert fit(image, width, height).shape == (height, width, 3)
    if not more_width and not more_height:
        assert fit(image, width, height) is image


def test_a_smaller_image_is_refused():
    with pytest.raises(CellError, match='delivers 64x48, not 64x50'):
        fit(np.zeros((48, 64, 3), np.uint8), 64, 50)
