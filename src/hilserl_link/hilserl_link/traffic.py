"""What goes over the link: bytes a second in each direction, and how late steps arrive.

One thread notes, another one reads.
"""

from collections import deque
from math import nan
import threading

WINDOW = 10.0  # s of the mean rates
STEPS = 600  # of which the delay is kept


class Traffic:
    """Counts bytes and delays. Times: s of a steady clock."""

    def __init__(self, now: float):
        self._began = now
        self._lock = threading.Lock()
        self._bytes: dict[str, deque[tuple[float, int]]] = {'sent': deque(), 'received': deque()}
        self._delays: deque[float] = deque(maxlen=STEPS)

    def note(self, way: str, size: int, now: float) -> None:
        """Count bytes. way: sent or received."""
        with self._lock:
            self._bytes[way].append((now, size))
            self._drop_old(way, now)

    def _drop_old(self, way: str, now: float) -> None:
        while self._bytes[way] and self._bytes[way][0][0] < now - WINDOW:
            self._bytes[way].popleft()

    def mbit_s(self, way: str, now: float) -> float:
        """Return the mean of the last seconds, Mbit/s."""
        with self._lock:
            self._drop_old(way, now)
            total = sum(size for _, size in self._bytes[way])
        return 8e-6 * total / max(1.0, min(WINDOW, now - self._began))

    def note_delay(self, seconds: float) -> None:
        """Note how late a step arrived."""
        with self._lock:
            self._delays.append(seconds)

    @property
    def delay_p99(self) -> float:
        """The 99th percentile of the last delays, s; NaN: none yet."""
        with self._lock:
            found = sorted(self._delays)
        return found[min(len(found) - 1, int(0.99 * len(found)))] if found else nan
