"""A disk on which no file can grow: what a full one does, without root and without a mount."""

from collections.abc import Iterator
from contextlib import contextmanager
import resource


@contextmanager
def full_disk(left: int = 0) -> Iterator[None]:
    """Let this process write at most the first `left` bytes of each file, in the block.

    A write beyond raises an OSError, as it does on a full disk. Standard output counts, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
