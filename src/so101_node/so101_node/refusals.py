"""Counts the messages and requests that a node refuses, and logs them at most once a second.

What others sent can be megabytes, or control codes of a terminal: a log line gets 200 characters
of it, all printable.
"""

from collections.abc import Callable
import threading
import time
from typing import Any

PERIOD = 1.0  # s between two log lines
LIMIT = 200  # characters of foreign text in a line


def short(text: object, limit: int = LIMIT) -> str:
    """Return foreign text as one line of at most `limit` printable characters."""
    words = str(text)
    cut = words[:limit]
    if not cut.isprintable():
        cut = ''.join(each if each.isprintable() else ' ' for each in cut)
    return cut if len(words) <= limit else cut[: limit - 3] + '...'


def shorten_texts(message: Any) -> None:
    """Make every text of a received message `short`. message: of any ROS message type."""
    for name, kind in message.get_fields_and_field_types().items():
        if kind == 'string':
            setattr(message, name, short(getattr(message, name)))


class Refusals:
    """Counts what is refused. Any thread may call it. log: gets each line."""

    def __init__(
        self, log: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.count = 0
        self.last = ''  # why the last one was refused
        self._log, self._clock = log, clock
        self._due, self._unlogged = float('-inf'), 0
        self._lock = threading.Lock()

    def add(self, what: str, why: object, senders: Callable[[], str] | None = None) -> None:
        """Count a refusal. senders: returns who may have sent it; called only for a log line."""
        self.add_sentence(f'{what} refused: {short(why)}', senders)

    def add_sentence(self, sentence: str, senders: Callable[[], str] | None = None) -> None:
        """Count a refusal that a whole sentence describes; `short`, if it has foreign text."""
        with self._lock:
            self.count += 1
            self.last = sentence
            now = self._clock()
            if now < self._due:
                self._unlogged += 1
                return
            self._due = now + PERIOD
            more, self._unlogged = self._unlogged, 0
        line = sentence
        if senders and (names := senders()):
            line += f'; publishers: {short(names)}'
        self._log(line + (f' ({more} more before)' if more else ''))
