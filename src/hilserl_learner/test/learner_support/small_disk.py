"""A small file system, to test a full disk."""

from contextlib import contextmanager
import shutil
import subprocess

import pytest


@contextmanager
def mounted(disk, size):
    """Mount a file system of that size; skip the test if that is not possible."""
    made = (
        subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', str(disk)],
            capture_output=True,
            text=True,
        )
        if shutil.which('mount')
        else None
    )
    if made is None or made.returncode:
        pytest.skip(
            'a small tmpfs cannot be mounted here: '
            + (made.stderr.strip() if made else 'no mount')
        )
    try:
        yield
    finally:
        subprocess.run(['umount', '-l', str(disk)], check=True)
