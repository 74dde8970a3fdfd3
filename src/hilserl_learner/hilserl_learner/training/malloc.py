"""Freed memory stays with the process, so that each update finds its own again.

glibc hands large blocks back to the kernel, which zeroes every page anew: at batch 256 that is a
fifth of an update.
"""

import ctypes

# <malloc.h>
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
LARGEST_THRESHOLD = 32 << 20


def keep_freed_memory() -> None:
    """Tell glibc so; before the threads that train are started. No effect on another libc."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt:
        mallopt(MMAP_THRESHOLD, LARGEST_THRESHOLD)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(ARENA_MAX, 1)
