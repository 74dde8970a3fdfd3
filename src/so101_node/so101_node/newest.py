"""Tells the live messages of a topic from those that `ros2 bag play` repeats, by their stamps.

A recording of this very start has the run id of this start. Its messages are older than the live
ones that have arrived already.
"""

import math

WINDOW = 2.0  # s after a live message in which an older one is refused
HINT = 'do not play a bag on the topics of a running cell'


class Newest:
    """The newest message so far. max_age: s that a message may be old.

    If the clock is set back, live messages seem older than the last one; they are accepted again
    when `window` s have passed without a newer one. Messages of one topic come in one thread.
    """

    def __init__(self, max_age: float = math.inf, window: float = WINDOW):
        self._max_age, self._window = max_age, window
        self._stamp, self._at = 0, -math.inf

    def too_old(self, stamp: int, clock: int) -> str:
        """Return that a message is older than max_age, or ''. Times in ns of one clock."""
        age = (clock - stamp) * 1e-9
        if age > self._max_age:
            return f'it is {age:.1f} s old (limit {self._max_age:g} s); {HINT}'
        return ''

    def problem(self, stamp: int, clock: int, now: float) -> str:
        """Return why a message is refused, or ''.

        stamp: of the message, ns. clock: ns of the clock that made it. now: monotonic s.
        """
        if old := self.too_old(stamp, clock):
            return old
        if stamp < self._stamp and now - self._at < self._window:
            behind = (self._stamp - stamp) * 1e-9
            return f'one that is {behind:.1f} s newer has arrived before; {HINT}'
        self._stamp, self._at = stamp, now
        return ''
