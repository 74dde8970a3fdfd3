"""The terminal whose keys the operator node reads, and how it is left as it was."""

import contextlib
import os
import select
import stat
import termios
import tty

NAME = '/dev/tty'  # the terminal of this session, whatever stdin is


class Terminal:
    """A terminal that gives each key at once. `restore` makes it as it was."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)
        # Ctrl-S would block every node that writes to this terminal.
        attributes = termios.tcgetattr(descriptor)
        attributes[0] &= ~termios.IXON
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)

    def read(self, timeout: float) -> bytes | None:
        """Return what was typed within the time (s), b'' if nothing; None: it is gone."""
        if not select.select([self._descriptor], [], [], timeout)[0]:
            return b''
        try:
            return os.read(self._descriptor, 64) or None
        except OSError:
            return None

    def restore(self) -> None:
        """Make the terminal as it was."""
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)


def open_terminal() -> Terminal | None:
    """Return the terminal to read keys from; None if there is none.

    That is stdin, or the terminal of the session if stdin is a pipe, as under `ros2 launch`. The
    system stops a background job that reads its terminal, so such a job gets none.
    """
    if os.isatty(0):
        return Terminal(0) if _is_foreground(0) else None
    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return None
    try:
        descriptor = os.open(NAME, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # this session has no terminal
        return None
    if _is_foreground(descriptor):
        return Terminal(descriptor)
    os.close(descriptor)
    return None


def _is_foreground(descriptor: int) -> bool:
    return os.tcgetpgrp(descriptor) == os.getpgrp()
