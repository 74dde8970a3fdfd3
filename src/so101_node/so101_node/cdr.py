"""Writes and reads serialised messages (plain CDR, little-endian), field by field.

For messages that carry images or weights. rclpy can publish serialised bytes and delivers them to
a subscription with `raw=True`, so no message object has to be filled or copied. The bytes equal
those of rclpy, except for the alignment padding: rclpy leaves its content undefined.
"""

from collections.abc import Callable
import struct
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import CellError
from .image_encodings import to_rgb
from .refusals import short

IMAGE_TYPE = 'sensor_msgs/msg/Image'
_LITTLE_ENDIAN = 1
_HEADER = bytes([0, _LITTLE_ENDIAN, 0, 0])
_UINT, _STAMP, _SIZE, _ORDER = map(struct.Struct, ('<I', '<iI', '<II', '<B'))

T = TypeVar('T')
Number = TypeVar('Number', np.uint8, np.float32)


class Writer:
    """Collects a message's fields in the order of its definition. Copies an array once."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [_HEADER]
        self._size = 0  # without the header: alignment is relative to the header's end

    def _add(self, part: bytes | memoryview, size: int) -> None:
        self._parts.append(part)
        self._size += size

    def fields(self, layout: struct.Struct, *values: float, align: int = 4) -> None:
        """Write fields of fixed size. align: alignment of the first one, in bytes."""
        if gap := -self._size % align:
            self._add(bytes(gap), gap)
        self._add(layout.pack(*values), layout.size)

    def stamp(self, ns: int) -> None:
        """Write a time."""
        self.fields(_STAMP, *divmod(ns, 10**9))

    def text(self, text: str) -> None:
        """Write a string."""
        data = text.encode() + b'\0'
        self.fields(_UINT, len(data))
        self._add(data, len(data))

    def numbers(self, values: npt.NDArray[Any], kind: type[Number]) -> None:
        """Write an array of any length, of uint8 or float32."""
        array: npt.NDArray[Number] = np.ascontiguousarray(values, kind)
        self.fields(_UINT, array.size)
        self._add(array.data, array.nbytes)

    def image(self, stamp: int, frame_id: str, image: npt.NDArray[np.uint8]) -> None:
        """Write an Image of (height, width, 3) uint8 RGB."""
        height, width, channels = image.shape
        self.stamp(stamp)
        self.text(frame_id)
        self.fields(_SIZE, height, width)
        self.text('rgb8')
        self.fields(_ORDER, 0, align=1)
        self.fields(_UINT, channels * width)
        self.numbers(image, np.uint8)

    def data(self) -> bytes:
        """Return the serialised message."""
        return b''.join(self._parts)


class ImageFields(NamedTuple):
    """An Image as it was sent. `data` is a view of the message's bytes."""

    stamp: int  # ns
    frame_id: str
    height: int
    width: int
    encoding: str
    step: int
    data: npt.NDArray[np.uint8]


class Reader:
    """Reads a message's fields in the order of its definition. Use it within `decode`."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data, self._at = memoryview(data), len(_HEADER)
        if self._data[1] != _LITTLE_ENDIAN:
            raise ValueError(f'their encoding is {self._data[1]}, not little-endian CDR')

    def fields(self, layout: struct.Struct, align: int = 4) -> tuple[Any, ...]:
        """Read fields of fixed size. align: alignment of the first one, in bytes."""
        at = self._at + (len(_HEADER) - self._at) % align
        self._at = at + layout.size
        return layout.unpack_from(self._data, at)

    def stamp(self) -> int:
        """Read a time, ns."""
        seconds: int
        ns: int
        seconds, ns = self.fields(_STAMP)
        return seconds * 10**9 + ns

    def text(self) -> str:
        """Read a string."""
        (length,) = self.fields(_UINT)
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError('they end too early')
        return str(self._data[start : self._at - 1], 'utf-8')

    def numbers(self, kind: type[Number]) -> npt.NDArray[Number]:
        """Read an array of any length, as a view of the message's bytes."""
        (count,) = self.fields(_UINT)
        start, self._at = self._at, self._at + count * np.dtype(kind).itemsize
        return np.frombuffer(self._data, kind, count, start)

    def image(self) -> ImageFields:
        """Read an Image."""
        stamp, frame_id = self.stamp(), self.text()
        height, width = self.fields(_SIZE)
        encoding = self.text()
        self.fields(_ORDER, align=1)  # is_bigendian: no effect on channels of one byte
        (step,) = self.fields(_UINT)
        return ImageFields(stamp, frame_id, height, width, encoding, step, self.numbers(np.uint8))

    def more(self) -> bool:
        """Return whether fields follow: an older message has fewer of them."""
        return len(self._data) - self._at >= len(_HEADER)

    def end(self) -> None:
        """Raise ValueError if more than padding follows."""
        if self.more():
            raise ValueError(f'{len(self._data) - self._at} bytes follow its end')


def decode(data: bytes | memoryview, message_type: str, read: Callable[[Reader], T]) -> T:
    """Return the result of `read` on a message's bytes; CellError if they are no such message."""
    try:
        reader = Reader(data)
        result = read(reader)
        reader.end()
        return result
    except (struct.error, ValueError, IndexError) as error:
        raise CellError(f'these bytes are no {message_type}: {short(error)}') from error


def image_to_cdr(stamp: int, frame_id: str, image: npt.NDArray[np.uint8]) -> bytes:
    """Serialise an Image. stamp: ns; image: (height, width, 3) uint8 RGB."""
    writer = Writer()
    writer.image(stamp, frame_id, image)
    return writer.data()


def image_from_cdr(data: bytes | memoryview) -> tuple[int, npt.NDArray[np.uint8]]:
    """Return the stamp (ns) and the image (height, width, 3) uint8 RGB of a serialised Image.

    The image is a view of the bytes, unless it is converted. CellError if they are no image, or
    one of an encoding that is not in image_encodings.py.
    """
    return decode(data, IMAGE_TYPE, _rgb)


def stamp_from_cdr(data: bytes | memoryview) -> int:
    """Return the stamp (ns) of a serialised message with a header; CellError if it has none."""
    try:
        return Reader(data).stamp()
    except (struct.error, ValueError, IndexError) as error:
        raise CellError(f'these bytes are no message with a stamp: {error}') from error


def _rgb(reader: Reader) -> tuple[int, npt.NDArray[np.uint8]]:
    fields = reader.image()
    image = to_rgb(fields.data, fields.height, fields.width, fields.step, fields.encoding)
    return fields.stamp, image
