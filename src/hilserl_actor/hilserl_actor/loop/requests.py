"""The requests to the control loop since its last tick: events and their causes."""

from collections import deque
import threading


class Requests:
    """Events in order of arrival. Any thread adds them; the loop's thread takes them."""

    def __init__(self):
        self._waiting: deque[tuple[str, str]] = deque()
        self._lock = threading.Lock()

    def add(self, event: str, cause: str, refusal) -> str:
        """Add `event` unless `refusal(event)` returns a sentence; return that sentence, or ''.

        The same event with the same cause is added once.
        """
        with self._lock:
            if (event, cause) in self._waiting:
                return ''
            sentence = refusal(event)
            if not sentence:
                self._waiting.append((event, cause))
            return sentence

    def take_all(self) -> list[tuple[str, str]]:
        """Return all events with their causes, and remove them."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
        return waiting

    def take_if(self, event: str) -> tuple[str, str] | None:
        """If `event` waits, return it with its cause and remove all events; else None."""
        with self._lock:
            found = next((request for request in self._waiting if request[0] == event), None)
            if found:
                self._waiting.clear()
        return found
