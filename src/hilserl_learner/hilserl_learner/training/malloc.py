"""Keeps freed memory in the process, so that each update reuses the memory of the previous one.

glibc returns large blocks to the kernel, which zeroes every page again: at batch 256 that takes a
fifth of an update.
"""

import ctypes

# <malloc.h>
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
MAX_MMAP_THRESHOLD = 32 << 20


def keep_freed_memory() -> None:
    """Configure glibc; call it before the training threads start. No effect on another libc."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt:
        mallopt(MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(ARENA_MAX, 1)
