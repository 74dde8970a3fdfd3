"""Replacing a file or a link so that at any moment the old one or the new one is there, whole.

When a file is synced: always, except where the control loop would wait for the disk, or where the
file is written again soon and its loss costs nothing. A synced file outlives a power cut, an
unsynced one only the death of its process.
"""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Put a file, or a directory's entries, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, text: str, synced: bool = True) -> None:
    """Write `text` beside `path` and rename it; OSError leaves the old file as it was."""
    beside = path.with_name(f'{path.name}.new')
    beside.write_text(text, encoding='utf-8', newline='')
    if synced:
        sync(beside)
    os.replace(beside, path)
    if synced:
        sync(path.parent)  # the new name, too


def replace_link(path: Path, target: str) -> None:
    """Let the symbolic link `path` point to `target`; not synced."""
    beside = path.with_name(f'.new-{path.name}')
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    os.replace(beside, path)
