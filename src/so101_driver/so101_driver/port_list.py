"""Lists the serial ports of this computer, each by a name that stays with its adapter."""

import os
from pathlib import Path

DEV = Path('/dev')
PATTERNS = ('ttyACM*', 'ttyUSB*')


def list_ports(dev: Path = DEV) -> list[str]:
    """Return the path of each USB serial port, in the order of their devices.

    A name that the user gave (udev, in `dev` itself) is preferred, then by-id. Adapters without a
    serial number share one name in by-id, which leads to another of them after each plugging:
    then by-path is used, which stays with the USB socket.
    """
    devices = sorted(str(device) for pattern in PATTERNS for device in dev.glob(pattern))
    own = {os.path.realpath(device): device for device in devices}
    given, by_id, by_path = (
        _links(directory) for directory in (dev, dev / 'serial/by-id', dev / 'serial/by-path')
    )
    stable = by_id if all(real in by_id for real in own if real not in given) else by_path
    return [given.get(real) or stable.get(real) or device for real, device in own.items()]


def keeps_its_name(path: str) -> bool:
    """Return whether a port's name is not one that the next plugging may change."""
    return not any(Path(path).match(name) for name in PATTERNS)


def _links(directory: Path) -> dict[str, str]:
    """Return the links of a directory by the device that they lead to."""
    try:
        links = sorted(entry.path for entry in os.scandir(directory) if entry.is_symlink())
    except OSError:
        return {}
    return {os.path.realpath(link): link for link in reversed(links) if keeps_its_name(link)}
