"""Messages as their serialised bytes (plain CDR, little-endian), field by field.

For messages that carry images or weights. rclpy publishes such bytes as they are, and delivers
them to a subscription with `raw=True`; no message object is filled, and none is copied out of.
The bytes are those that rclpy serialises, but for its alignment padding, which is undefined.
"""

from collections.abc import Callable
import struct
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .errors import CellError

IMAGE_TYPE = 'sensor_msgs/msg/Image'
_LITTLE_ENDIAN = 1
_HEADER = bytes([0, _LITTLE_ENDIAN, 0, 0])
_UINT, _STAMP, _SIZE, _ORDER = map(struct.Struct, ('<I', '<iI', '<II', '<B'))

T = TypeVar('T')


class Writer:
    """Collects a message's fields in the order of its definition; an array is copied once."""

    def __init__(self) -> None:
        self._parts: list[Any] = [_HEADER]  # bytes and arrays
        self._size = 0  # without the header, after which alignment counts

    def _add(self, part: bytes | np.ndarray, size: int) -> None:
        self._parts.append(part)
        self._size += size

    def fields(self, layout: struct.Struct, *values, align: int = 4) -> None:
        """Fixed fields; `align` is what the first of them needs."""
        if gap := -self._size % align:
            self._add(bytes(gap), gap)
        self._add(layout.pack(*values), layout.size)

    def stamp(self, ns: int) -> None:
        """A time."""
        self.fields(_STAMP, *divmod(ns, 10**9))

    def text(self, text: str) -> None:
        """A string."""
        data = text.encode() + b'\0'
        self.fields(_UINT, len(data))
        self._add(data, len(data))

    def numbers(self, values, kind) -> None:
        """An array of any length, of uint8 or float32."""
        values = np.ascontiguousarray(values, kind)
        self.fields(_UINT, values.size)
        self._add(values, values.nbytes)

    def image(self, stamp: int, frame_id: str, pixels: np.ndarray) -> None:
        """An Image of (height, width, 3) uint8 RGB."""
        height, width, channels = pixels.shape
        self.stamp(stamp)
        self.text(frame_id)
        self.fields(_SIZE, height, width)
        self.text('rgb8')
        self.fields(_ORDER, 0, align=1)
        self.fields(_UINT, channels * width)
        self.numbers(pixels, np.uint8)

    def data(self) -> bytes:
        """The message."""
        return b''.join(self._parts)


class ImageFields(NamedTuple):
    """An Image as it was sent; `data` is a view of the message's bytes."""

    stamp: int  # ns
    frame_id: str
    height: int
    width: int
    encoding: str
    step: int
    data: np.ndarray


class Reader:
    """Takes a message's fields in the order of its definition. For use within `decode`."""

    def __init__(self, data) -> None:
        self._data, self._at = memoryview(data), len(_HEADER)
        if self._data[1] != _LITTLE_ENDIAN:
            raise ValueError(f'their encoding is {self._data[1]}, not little-endian CDR')

    def fields(self, layout: struct.Struct, align: int = 4) -> tuple:
        """Fixed fields; `align` is what the first of them needs."""
        at = self._at + (len(_HEADER) - self._at) % align
        self._at = at + layout.size
        return layout.unpack_from(self._data, at)

    def stamp(self) -> int:
        """A time, ns."""
        seconds, ns = self.fields(_STAMP)
        return seconds * 10**9 + ns

    def text(self) -> str:
        """A string."""
        (length,) = self.fields(_UINT)
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError('they end too early')
        return str(self._data[start : self._at - 1], 'utf-8')

    def numbers(self, kind) -> np.ndarray:
        """An array of any length: a view of the message's bytes."""
        (count,) = self.fields(_UINT)
        start, self._at = self._at, self._at + count * np.dtype(kind).itemsize
        return np.frombuffer(self._data, kind, count, start)

    def image(self) -> ImageFields:
        """An Image."""
        stamp, frame_id = self.stamp(), self.text()
        height, width = self.fields(_SIZE)
        encoding = self.text()
        self.fields(
            _ORDER, align=1
        )  # of bytes within a pixel's value: the encodings here have one
        (step,) = self.fields(_UINT)
        return ImageFields(stamp, frame_id, height, width, encoding, step, self.numbers(np.uint8))

    def end(self) -> None:
        """ValueError if more follows than padding."""
        if len(self._data) - self._at >= len(_HEADER):
            raise ValueError(f'{len(self._data) - self._at} bytes follow its end')


def decode(data, message_type: str, read: Callable[[Reader], T]) -> T:
    """What `read` makes of a message's bytes; CellError if they are no such message."""
    try:
        reader = Reader(data)
        result = read(reader)
        reader.end()
        return result
    except (struct.error, ValueError, IndexError) as error:
        raise CellError(f'these bytes are no {message_type}: {error}') from error


def image_to_cdr(stamp: int, frame_id: str, pixels: np.ndarray) -> bytes:
    """An Image's bytes. stamp: ns; pixels: (height, width, 3) uint8 RGB."""
    writer = Writer()
    writer.image(stamp, frame_id, pixels)
    return writer.data()


def image_from_cdr(data) -> tuple[int, np.ndarray]:
    """Stamp (ns) and (height, width, 3) uint8 RGB of an Image's bytes, of which it is a view.

    CellError for bytes that are no rgb8 or bgr8 image.
    """
    return decode(data, IMAGE_TYPE, _rgb)


def _rgb(reader: Reader) -> tuple[int, np.ndarray]:
    image = reader.image()
    if image.encoding not in ('rgb8', 'bgr8'):
        raise CellError(f'camera image has encoding {image.encoding}; rgb8 or bgr8 is needed')
    rows = image.data.reshape(image.height, image.step)
    pixels = rows[:, : image.width * 3].reshape(image.height, image.width, 3)
    return image.stamp, pixels if image.encoding == 'rgb8' else pixels[:, :, ::-1]
