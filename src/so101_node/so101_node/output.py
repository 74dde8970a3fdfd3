"""Keeps a process going whose terminal, or the reader of whose output, is gone.

Then each write fails with EIO or EPIPE. A node must still bring its arm to rest and complete its
files, so these errors must not reach the code that prints.
"""

import contextlib
import errno
import io
import os
import select
import sys
from typing import Any, TextIO

_GONE = (errno.EIO, errno.EPIPE, errno.ENXIO)


class _Output(io.FileIO):
    """A standard stream that accepts everything, even if nothing receives it."""

    def write(self, data: Any) -> int:
        left = whole = memoryview(data).cast('B')
        try:
            while left:
                left = left[super().write(left) or len(left) :]
        except OSError as error:
            # A full disk loses the line, but does not end the process.
            if error.errno in _GONE:  # C and C++ code writes to the same descriptor
                with open(os.devnull, 'wb') as nothing:
                    os.dup2(nothing.fileno(), self.fileno())
        return len(whole)


def keep_going_without_output() -> None:
    """Make writes to stdout and stderr of this process never fail. Call it at the start."""
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)


def _safe(stream: TextIO, descriptor: int) -> TextIO:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if stream.fileno() == descriptor:
            stream.flush()
            raw: Any = _Output(descriptor, 'w', closefd=False)  # unbuffered: nothing comes twice
            return io.TextIOWrapper(raw, stream.encoding, 'backslashreplace', line_buffering=True)
    return stream


def output_is_gone() -> bool:
    """Return whether the terminal, or the process that reads stdout, is gone."""
    poll = select.poll()
    poll.register(1, 0)  # only what is always reported
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
