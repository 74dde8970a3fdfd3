"""What outlives a power cut: only what was synced, under a name that was synced."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Put a file, or a directory's entries, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a file beside, sync it and rename it: the old or the new one is always there."""
    beside = path.with_name(f'{path.name}.new')
    beside.write_text(text, encoding='utf-8')
    sync(beside)
    os.replace(beside, path)
