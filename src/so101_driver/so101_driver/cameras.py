"""Finds the cameras of this computer, with what each can deliver."""

from dataclasses import dataclass
import fcntl
import os
from pathlib import Path
import re

from .v4l2 import Ioctl, Sizes, VideoDevice

DEV = Path('/dev')


@dataclass(frozen=True)
class CameraFormat:
    """A pixel format with an image size (pixels) and its rates (Hz, the highest first).

    Some drivers offer a range of sizes: from `smallest` up to (width, height) in steps. Their
    rates are those of the largest size.
    """

    fourcc: str
    width: int
    height: int
    rates: tuple[float, ...]
    smallest: tuple[int, int]
    step: tuple[int, int] = (1, 1)

    def fits(self, width: int, height: int) -> bool:
        """Return whether this size can be requested exactly."""
        return all(
            low <= wanted <= high and (wanted - low) % step == 0
            for low, wanted, high, step in zip(
                self.smallest, (width, height), (self.width, self.height), self.step
            )
        )

    def __str__(self) -> str:
        size = f'{self.width}x{self.height}'
        if self.smallest != (self.width, self.height):
            size = f'{self.smallest[0]}x{self.smallest[1]} to {size}'
        rates = ', '.join(f'{rate:.4g}' for rate in self.rates)
        return f'{self.fourcc} {size}' + (f' at {rates} Hz' if rates else '')


@dataclass(frozen=True)
class CameraDevice:
    """A camera.

    path: /dev/videoN, which may be another camera after the next start of the computer.
    stable_path: a link that stays with the camera (/dev/v4l/by-id/...) or with its socket
    (/dev/v4l/by-path/...); equal to `path` if there is no link.
    problem: why its formats could not be read, or ''.
    """

    path: str
    stable_path: str
    card: str
    formats: tuple[CameraFormat, ...]
    problem: str = ''


def list_cameras(dev: Path = DEV, ioctl: Ioctl = fcntl.ioctl) -> list[CameraDevice]:
    """Return the cameras of this computer, by the number of /dev/videoN.

    A camera in use by another program is listed too. A node that delivers no images (most USB
    cameras have one for metadata) is left out.
    """
    numbered = [
        (int(match[1]), path)
        for path in dev.glob('video*')
        if (match := re.fullmatch(r'video(\d+)', path.name))
    ]
    found = [camera for _, path in sorted(numbered) if (camera := _read(path, ioctl))]
    by_id, by_path = _links(dev / 'v4l/by-id'), _links(dev / 'v4l/by-path')
    # Equal cameras without serial numbers share one name in by-id, so one of them has no link.
    unclear = {camera.card for camera in found if camera.path not in by_id}
    return [
        CameraDevice(
            camera.path,
            (camera.card not in unclear and by_id.get(camera.path))
            or by_path.get(camera.path, camera.path),
            camera.card,
            camera.formats,
            camera.problem,
        )
        for camera in found
    ]


def formats_of(device: VideoDevice, buffer_type: int) -> tuple[CameraFormat, ...]:
    """Return the formats of an open device, in the order of its driver."""
    return tuple(
        _format(device, fourcc, sizes)
        for fourcc in device.fourccs(buffer_type)
        for sizes in device.sizes(fourcc)
    )


def _format(device: VideoDevice, fourcc: str, sizes: Sizes) -> CameraFormat:
    rates = tuple(device.rates(fourcc, *sizes.largest))
    return CameraFormat(fourcc, *sizes.largest, rates, sizes.smallest, sizes.step)


def _read(path: Path, ioctl: Ioctl) -> CameraDevice | None:
    """Return what a device says; None if it is no camera."""
    try:
        with VideoDevice(str(path), ioctl) as device:
            what = device.capability()
            if not what.buffer_type:
                return None
            formats = formats_of(device, what.buffer_type)
            return CameraDevice(str(path), str(path), what.card, formats)
    except PermissionError:
        problem = 'no permission to open it; join its group: sudo usermod -aG video $USER'
    except OSError as error:
        problem = f'does not answer: {error.strerror}'
    return CameraDevice(str(path), str(path), '', (), problem)


def _links(directory: Path) -> dict[str, str]:
    """Return the links of a directory by the device that they lead to."""
    try:
        links = sorted(directory.iterdir())
    except OSError:
        return {}
    return {os.path.realpath(link): str(link) for link in links}
