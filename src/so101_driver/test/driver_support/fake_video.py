"""V4L2 as Linux does it, for devices that are plain files: answers the requests of v4l2.py.

The structures are written from <linux/videodev2.h> with ctypes, apart from the code under test.
"""

import ctypes
from ctypes import Structure, Union, c_char, c_int32, c_uint32
from dataclasses import dataclass, field
import errno
import os
from pathlib import Path

CAPTURE, META, STREAMING, DEVICE_CAPS = 0x1, 0x800000, 0x4000000, 0x80000000


class Capability(Structure):
    _fields_ = (
        ('driver', c_char * 16),
        ('card', c_char * 32),
        ('bus_info', c_char * 32),
        ('version', c_uint32),
        ('capabilities', c_uint32),
        ('device_caps', c_uint32),
        ('reserved', c_uint32 * 3),
    )


class FmtDesc(Structure):
    _fields_ = (
        ('index', c_uint32),
        ('type', c_uint32),
        ('flags', c_uint32),
        ('description', c_char * 32),
        ('pixelformat', c_uint32),
        ('mbus_code', c_uint32),
        ('reserved', c_uint32 * 3),
    )


class FrmSizeDiscrete(Structure):
    _fields_ = (('width', c_uint32), ('height', c_uint32))


class FrmSizeStepwise(Structure):
    _fields_ = tuple(
        (f'{which}_{side}', c_uint32)
        for side in ('width', 'height')
        for which in ('min', 'max', 'step')
    )


class FrmSizes(Union):
    _fields_ = (('discrete', FrmSizeDiscrete), ('stepwise', FrmSizeStepwise))


class FrmSizeEnum(Structure):
    _anonymous_ = ('sizes',)
    _fields_ = (
        ('index', c_uint32),
        ('pixel_format', c_uint32),
        ('type', c_uint32),
        ('sizes', FrmSizes),
        ('reserved', c_uint32 * 2),
    )


class Fract(Structure):
    _fields_ = (('numerator', c_uint32), ('denominator', c_uint32))


class FrmIvalStepwise(Structure):
    _fields_ = (('min', Fract), ('max', Fract), ('step', Fract))


class FrmIvals(Union):
    _fields_ = (('discrete', Fract), ('stepwise', FrmIvalStepwise))


class FrmIvalEnum(Structure):
    _anonymous_ = ('intervals',)
    _fields_ = (
        ('index', c_uint32),
        ('pixel_format', c_uint32),
        ('width', c_uint32),
        ('height', c_uint32),
        ('type', c_uint32),
        ('intervals', FrmIvals),
        ('reserved', c_uint32 * 2),
    )


class QueryCtrl(Structure):
    _fields_ = (
        ('id', c_uint32),
        ('type', c_uint32),
        ('name', c_char * 32),
        ('minimum', c_int32),
        ('maximum', c_int32),
        ('step', c_int32),
        ('default_value', c_int32),
        ('flags', c_uint32),
        ('reserved', c_uint32 * 2),
    )


class Control(Structure):
    _fields_ = (('id', c_uint32), ('value', c_int32))


def ioc(direction, number, structure):
    """Return the number that the macros _IOR ('r') and _IOWR ('rw') make."""
    bits = {'r': 2, 'rw': 3}[direction]
    return bits << 30 | ctypes.sizeof(structure) << 16 | ord('V') << 8 | number


def refuse(number):
    raise OSError(number, os.strerror(number))


@dataclass
class FakeControl:
    """A control. follows: the id of the automatic that must be off (or manual) to set it."""

    name: str
    low: int
    high: int
    value: int
    follows: tuple[int, int] | None = None  # id, its value for manual
    stuck: bool = False  # accepts a value and keeps its own


@dataclass
class FakeVideo:
    """One device. formats: fourcc to sizes; a size is (w, h, rates) or a six-number range."""

    card: str
    formats: dict[str, list[tuple]] = field(default_factory=dict)
    controls: dict[int, FakeControl] = field(default_factory=dict)
    capabilities: int = CAPTURE | STREAMING

    def querycap(self, cap):
        cap.driver, cap.card, cap.bus_info = b'uvcvideo', self.card.encode(), b'usb-0000:00:14.0-1'
        cap.capabilities = CAPTURE | META | STREAMING | DEVICE_CAPS
        cap.device_caps = self.capabilities

    def enum_fmt(self, fmt):
        if fmt.type != 1 or fmt.index >= len(self.formats):
            refuse(errno.EINVAL)
        fourcc = list(self.formats)[fmt.index]
        fmt.description = b'a format'
        fmt.pixelformat = int.from_bytes(fourcc.encode(), 'little')

    def _sizes(self, code):
        return self.formats.get(code.to_bytes(4, 'little').decode()) or refuse(errno.EINVAL)

    def enum_sizes(self, size):
        sizes = self._sizes(size.pixel_format)
        if size.index >= len(sizes):
            refuse(errno.EINVAL)
        found = sizes[size.index]
        if len(found) == 3:
            size.type, size.discrete = 1, FrmSizeDiscrete(*found[:2])
        else:
            size.type, size.stepwise = 3, FrmSizeStepwise(*found)

    def enum_intervals(self, interval):
        for found in self._sizes(interval.pixel_format):
            if len(found) == 3 and found[:2] == (interval.width, interval.height):
                if interval.index >= len(found[2]):
                    refuse(errno.EINVAL)
                interval.type, interval.discrete = 1, Fract(1, found[2][interval.index])
                return
            if len(found) == 6 and interval.index == 0:
                interval.type = 3
                interval.stepwise = FrmIvalStepwise(Fract(1, 60), Fract(1, 5), Fract(1, 60))
                return
        refuse(errno.EINVAL)

    def _control(self, number):
        return self.controls.get(number) or refuse(errno.EINVAL)

    def query_control(self, query):
        control = self._control(query.id)
        query.name, query.step = control.name.encode(), 1
        query.minimum, query.maximum = control.low, control.high

    def get_control(self, control):
        control.value = self._control(control.id).value

    def set_control(self, control):
        found = self._control(control.id)
        if found.follows and self.controls[found.follows[0]].value != found.follows[1]:
            refuse(errno.EIO)  # as uvcvideo answers for an inactive control
        if not found.low <= control.value <= found.high:
            refuse(errno.ERANGE)
        if not found.stuck:
            found.value = control.value


REQUESTS = {
    ioc('r', 0, Capability): (Capability, 'querycap'),
    ioc('rw', 2, FmtDesc): (FmtDesc, 'enum_fmt'),
    ioc('rw', 74, FrmSizeEnum): (FrmSizeEnum, 'enum_sizes'),
    ioc('rw', 75, FrmIvalEnum): (FrmIvalEnum, 'enum_intervals'),
    ioc('rw', 27, Control): (Control, 'get_control'),
    ioc('rw', 28, Control): (Control, 'set_control'),
    ioc('rw', 36, QueryCtrl): (QueryCtrl, 'query_control'),
}


class FakeKernel:
    """The devices of a directory in place of /dev; `ioctl` answers for them."""

    def __init__(self, dev: Path):
        self.dev = dev
        self.devices: dict[str, FakeVideo] = {}

    def add(self, number: int, video: FakeVideo, **links: str) -> str:
        """Make /dev/video<number> and its links; links: by_id and by_path. Return its path."""
        path = self.dev / f'video{number}'
        path.touch()
        self.devices[str(path)] = video
        for kind, name in links.items():
            directory = self.dev / 'v4l' / kind.replace('_', '-')
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).unlink(missing_ok=True)  # udev: the last device has the link
            (directory / name).symlink_to(path)
        return str(path)

    def ioctl(self, file: int, request: int, buffer: bytearray) -> int:
        """Answer a request as the kernel does: change the buffer, or raise OSError."""
        device = self.devices.get(os.readlink(f'/proc/self/fd/{file}'))
        if device is None or request not in REQUESTS:
            refuse(errno.ENOTTY)
        structure, answer = REQUESTS[request]
        getattr(device, answer)(structure.from_buffer(buffer))
        return 0
