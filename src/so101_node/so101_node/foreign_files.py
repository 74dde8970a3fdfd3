"""Reads files that a person names or that come from elsewhere, with a bound.

Such a path may be a device that never ends, a pipe that blocks, a directory, or a file larger than
the memory. Each of these is refused in one sentence, before anything is read or allocated.
"""

import os
from pathlib import Path
import stat

from .errors import CellError

_KINDS = (
    (stat.S_ISDIR, 'a directory'),
    (stat.S_ISFIFO, 'a pipe'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
    (stat.S_ISSOCK, 'a socket'),
)


def file_size(path: str | Path, what: str, limit: int, remedy: str = '') -> int:
    """Return the size of an ordinary file in bytes.

    CellError if it is no ordinary file or has more than `limit` bytes. what: the kind of file, for
    the sentence; remedy: its ending.
    """
    ending = f'; {remedy}' if remedy else ''
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise CellError(f'{what} {path} cannot be read: {reason(error)}{ending}') from error
    if not stat.S_ISREG(status.st_mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(status.st_mode)), 'no file')
        raise CellError(f'{what} {path} is {kind}, not an ordinary file{ending}')
    if status.st_size > limit:
        raise CellError(
            f'{what} {path} has {status.st_size / 1e6:,.1f} MB, over the limit of '
            f'{limit / 1e6:,.0f} MB{ending}'
        )
    return status.st_size


def read_bytes(path: str | Path, what: str, limit: int, remedy: str = '') -> bytes:
    """Read an ordinary file of at most `limit` bytes; CellError as in `file_size`."""
    size = file_size(path, what, limit, remedy)
    try:
        with open(path, 'rb') as file:
            return file.read(size)
    except (OSError, MemoryError) as error:
        ending = f'; {remedy}' if remedy else ''
        raise CellError(f'{what} {path} cannot be read: {reason(error)}{ending}') from error


def expanded(path: str | Path) -> Path:
    """Return the path with the home directory in place of ~; CellError if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise CellError(
            f'{path} cannot be used: this user has no home directory; set HOME, or write the '
            'whole path'
        ) from error


def reason(error: Exception) -> str:
    """Return an exception's text without its number and path."""
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
