"""Opens a serial port for this process alone; a port that others hold is refused by their name.

Two masters on one bus lose each other's answers. Not every program locks its port (LeRobot does
not), so three things are done: the port's other holders are looked for, the port is locked
(flock), and the kernel refuses later opens (TIOCEXCL).
"""

import fcntl
import os
from pathlib import Path
import stat
import termios
from typing import Any

from scservo_sdk import PortHandler

from so101_node.errors import CellError

BY_ID = '/dev/serial/by-id'
BAUD_RATE = 1_000_000
TERMINALS = range(136, 144)  # major numbers of Linux's pseudo-terminals
NAMED = 5  # processes that an error names


def absent_port(path: str) -> str:
    """Return the sentence for a missing port, with the ports that exist."""
    if not path.startswith('/dev/'):
        return f'{path}: no such port; start what makes it (the simulated world), or name another'
    try:
        present = ', '.join(sorted(os.listdir(BY_ID)))
    except OSError:
        present = ''
    return f'{path}: no such port; {BY_ID} shows ' + (
        present or 'nothing: plug the arm in and switch it on'
    )


def is_pseudo_terminal(device: int) -> bool:
    """Return whether a device number is that of a pseudo-terminal."""
    return os.major(device) in TERMINALS


def holders(path: str) -> list[tuple[int, str]]:
    """Return (pid, name) of the other processes that have the port open, as far as one may see.

    A process that serves a pseudo-terminal (it has the other end) is not a holder.
    """
    device = os.stat(path).st_rdev
    found = []
    for entry in os.scandir('/proc'):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            descriptors = list(os.scandir(f'{entry.path}/fd'))
            holds = any(_is_device(each.path, device) for each in descriptors)
            if holds and not _serves(entry.path, device):
                name = Path(entry.path, 'comm').read_text(errors='replace').strip()
                found.append((int(entry.name), name))
        except OSError:  # it has ended, or belongs to another user
            continue
    return found


def _is_device(path: str, device: int) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == device


def _serves(process: str, device: int) -> bool:
    if not is_pseudo_terminal(device):
        return False
    number = f'tty-index:\t{os.minor(device)}'
    for entry in os.scandir(f'{process}/fdinfo'):
        try:
            if number in Path(entry.path).read_text().splitlines():
                return True
        except OSError:
            continue
    return False


def open_port(path: str) -> Any:
    """Return the SDK's open PortHandler; CellError, with the remedy, if that fails."""
    if not os.path.exists(path):
        raise CellError(absent_port(path))
    port = PortHandler(path)
    port.baudrate = BAUD_RATE
    _refuse_holders(path)
    try:
        port.openPort()
        port.ser.exclusive = True
        _refuse_later_opens(port.ser.fileno())
    except PermissionError:
        raise _denied(path) from None
    except (OSError, termios.error) as error:
        if getattr(error, 'errno', None) == 13:
            raise _denied(path) from None
        if port.is_open:
            port.closePort()
        _refuse_holders(path)
        raise CellError(
            f'{path}: cannot be opened for this process alone ({error}); end the '
            'program that uses it, or name the right port'
        ) from error
    return port


def _refuse_holders(path: str) -> None:
    found = [f'{name} (process {pid})' for pid, name in holders(path)]
    if found:
        users = ', '.join(found[:NAMED])
        if len(found) > NAMED:
            users += f' and {len(found) - NAMED} more'
        raise CellError(
            f'{path} is in use by {users}; two programs on one bus lose answers: end it, or name '
            'the right port'
        )


def _refuse_later_opens(descriptor: int) -> None:
    # A pseudo-terminal keeps this after its last user has died, and would never open again.
    if not is_pseudo_terminal(os.fstat(descriptor).st_rdev):
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


def _denied(path: str) -> CellError:
    return CellError(
        f'{path}: permission denied; add yourself to its group '
        '(sudo usermod -aG dialout $USER) and log in again'
    )
