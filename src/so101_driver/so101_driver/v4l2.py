"""The V4L2 requests of Linux that the cameras need, on an open device.

The layouts and numbers are those of <linux/videodev2.h>. Every function raises OSError as the
kernel reports it: ENOTTY if the file is no V4L2 device, ENODEV if the camera was unplugged.
"""

from collections.abc import Callable, Iterator
import errno
import fcntl
import os
import struct
from typing import Any, NamedTuple

Ioctl = Callable[[int, int, bytearray], Any]  # file descriptor, request, structure: changed

_READ, _WRITE = 2, 1
_CAPABILITY = struct.Struct('=16s32s32sIII12x')  # driver, card, bus, version, all, this node's
_FORMAT = struct.Struct('=III32sII12x')  # index, type, flags, description, fourcc, bus code
_SIZE = struct.Struct('=9I8x')  # index, fourcc, kind, then 2 (discrete) or 6 numbers
_INTERVAL = struct.Struct('=11I8x')  # index, fourcc, width, height, kind, then 2 or 6 numbers
_CONTROL_RANGE = struct.Struct('=II32siiiiI8x')  # id, type, name, min, max, step, default, flags
_CONTROL = struct.Struct('=Ii')  # id, value


def _request(direction: int, number: int, layout: struct.Struct) -> int:
    return direction << 30 | layout.size << 16 | ord('V') << 8 | number


QUERYCAP = _request(_READ, 0, _CAPABILITY)
ENUM_FMT = _request(_READ | _WRITE, 2, _FORMAT)
ENUM_FRAMESIZES = _request(_READ | _WRITE, 74, _SIZE)
ENUM_FRAMEINTERVALS = _request(_READ | _WRITE, 75, _INTERVAL)
G_CTRL = _request(_READ | _WRITE, 27, _CONTROL)
S_CTRL = _request(_READ | _WRITE, 28, _CONTROL)
QUERYCTRL = _request(_READ | _WRITE, 36, _CONTROL_RANGE)

_CAPTURE, _CAPTURE_PLANES, _DEVICE_CAPS = 0x1, 0x1000, 0x80000000  # of V4L2_CAP_*
_TYPE_CAPTURE, _TYPE_CAPTURE_PLANES = 1, 9  # V4L2_BUF_TYPE_VIDEO_CAPTURE, ..._MPLANE
_DISCRETE = 1  # kind of a size or an interval
_DISABLED = 0x1  # V4L2_CTRL_FLAG_DISABLED
_MOST = 64  # entries of one list; a driver that does not end its list is cut off there


class Capability(NamedTuple):
    """What a device is. buffer_type: 0 if it captures no video (a metadata or output node)."""

    card: str
    bus: str
    buffer_type: int


class Sizes(NamedTuple):
    """Image sizes of a pixel format, in pixels. A single size has equal ends."""

    smallest: tuple[int, int]  # width, height
    largest: tuple[int, int]
    step: tuple[int, int]


class ControlRange(NamedTuple):
    """The name of a control and its allowed values."""

    name: str
    low: int
    high: int
    step: int


class VideoDevice:
    """An open V4L2 device. It may be opened while another program reads its images."""

    def __init__(self, path: str, ioctl: Ioctl = fcntl.ioctl):
        self._ioctl = ioctl
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> 'VideoDevice':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the device."""
        os.close(self._file)

    def _ask(self, request: int, layout: struct.Struct, *values: Any) -> tuple[Any, ...]:
        buffer = bytearray(layout.pack(*values))
        self._ioctl(self._file, request, buffer)
        return layout.unpack(buffer)

    def _entries(
        self, request: int, layout: struct.Struct, *values: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the entries of a list, which the kernel ends with EINVAL."""
        for index in range(_MOST):
            try:
                yield self._ask(request, layout, index, *values)
            except OSError as error:
                # ENOTTY: the driver does not have this list
                if error.errno in (errno.EINVAL, errno.ENOTTY):
                    return
                raise

    def capability(self) -> Capability:
        """Return the name of the card and what it captures."""
        empty = (bytes(16), bytes(32), bytes(32), 0, 0, 0)
        _, card, bus, _, of_all, of_this = self._ask(QUERYCAP, _CAPABILITY, *empty)
        can = of_this if of_all & _DEVICE_CAPS else of_all
        planes = _TYPE_CAPTURE_PLANES if can & _CAPTURE_PLANES else 0
        return Capability(_text(card), _text(bus), _TYPE_CAPTURE if can & _CAPTURE else planes)

    def fourccs(self, buffer_type: int) -> list[str]:
        """Return the pixel formats, as four characters each (`MJPG`)."""
        entries = self._entries(ENUM_FMT, _FORMAT, buffer_type, 0, bytes(32), 0, 0)
        return [entry[4].to_bytes(4, 'little').decode('latin-1') for entry in entries]

    def sizes(self, fourcc: str) -> list[Sizes]:
        """Return the image sizes of a pixel format."""
        found = []
        for entry in self._entries(ENUM_FRAMESIZES, _SIZE, _code(fourcc), *[0] * 7):
            if entry[2] == _DISCRETE:
                found.append(Sizes(entry[3:5], entry[3:5], (1, 1)))
                continue
            left, right, step_x, low, high, step_y = entry[3:9]
            found.append(Sizes((left, low), (right, high), (max(step_x, 1), max(step_y, 1))))
        return found

    def rates(self, fourcc: str, width: int, height: int) -> list[float]:
        """Return the image rates of a format and size, Hz, the highest first.

        For a range of rates these are its two ends.
        """
        found = set()
        values = (_code(fourcc), width, height, *[0] * 7)
        for entry in self._entries(ENUM_FRAMEINTERVALS, _INTERVAL, *values):
            ends = [entry[5:7]] if entry[4] == _DISCRETE else [entry[5:7], entry[7:9]]
            found |= {below / above for above, below in ends if above}
        return sorted(found, reverse=True)

    def control_range(self, control: int) -> ControlRange | None:
        """Return what a control (V4L2_CID_*) allows; None if the camera does not have it."""
        try:
            _, _, name, low, high, step, _, flags = self._ask(
                QUERYCTRL, _CONTROL_RANGE, control, 0, bytes(32), 0, 0, 0, 0, 0
            )
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return None
            raise
        return None if flags & _DISABLED else ControlRange(_text(name), low, high, step)

    def control(self, control: int) -> int:
        """Return the present value of a control."""
        return int(self._ask(G_CTRL, _CONTROL, control, 0)[1])

    def set_control(self, control: int, value: int) -> None:
        """Set a control. The driver may take another value, so read it back."""
        self._ask(S_CTRL, _CONTROL, control, value)


def _text(data: bytes) -> str:
    return data.split(b'\0', 1)[0].decode('utf-8', 'replace').strip()


def _code(fourcc: str) -> int:
    return int.from_bytes(fourcc.encode('latin-1'), 'little')
