"""Replaces a file or a link atomically: at any moment, either the old or the new one is complete.

A synced file survives a power cut; a file without sync survives only the death of its process. So
files are synced, with two exceptions: the control loop must not wait for the disk, and a file that
is soon written again needs no sync.
"""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path

from .errors import CellError
from .foreign_files import reason


def make_private(directory: Path) -> None:
    """Make a directory and its missing parents, readable for this user only.

    Directories that exist keep their mode.
    """
    for each in (*reversed(directory.parents), directory):
        if each == directory or not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or the entries of a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path, remedy: str = 'free some disk space') -> Iterator[None]:
    """Turn an OSError into a CellError: which file cannot be written, why, and the remedy."""
    try:
        yield
    except OSError as error:
        raise CellError(f'{path} cannot be written: {reason(error)}; {remedy}') from error


def replace_file(path: Path, content: str | bytes, synced: bool = True) -> None:
    """Write `content` beside `path`, then rename it. After an OSError the old one is as it was."""
    beside = path.with_name(f'{path.name}.new')
    try:
        if isinstance(content, str):
            beside.write_text(content, encoding='utf-8', newline='')
        else:
            beside.write_bytes(content)
        if synced:
            sync(beside)
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)  # other files may need the space
        raise
    if synced:
        sync(path.parent)  # the new name, too


def replace_link(path: Path, target: str) -> None:
    """Make the symbolic link `path` point to `target`, without sync."""
    beside = path.with_name(f'.new-{path.name}')
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    os.replace(beside, path)
