"""Signals of the cell's processes: which ones end a process, and which ones it ignores.

A closed terminal (SIGHUP) and SIGQUIT end a process like Ctrl-C. The signals by which a terminal
stops a process are ignored: a stopped driver would leave the arm powered, without control.
"""

from collections.abc import Callable
import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
STOPPING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

Handler = Callable[[int, FrameType | None], object]


def handle_endings(handler: Handler) -> None:
    """Call the handler for each signal that ends the process; ignore those that stop it."""
    for number in ENDING:
        signal.signal(number, handler)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def ignore_terminal() -> None:
    """Ignore what a terminal sends, from a process's start until `handle_endings`.

    Without this, a Ctrl-C prints a stack trace while Python starts. Whoever starts the process
    repeats its SIGINT.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, *STOPPING):
        signal.signal(number, signal.SIG_IGN)
