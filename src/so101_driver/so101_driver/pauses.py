"""Notices that the driver did not run for a while: SIGSTOP, a suspended or overloaded computer.

Commands that were made before the end of a pause are stale, however young they are: whoever made
them did not see what happened to the arm meanwhile.
"""

import math
import time

LIMIT = 0.2  # s between two cycles; a busy computer delays a cycle by less
TELL_PERIOD = 1.0  # s between two log lines


class Pauses:
    """The pauses of one control loop. ended_at: end of the last one, monotonic s.

    limit: s between two cycles that are no pause.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self.ended_at = -math.inf
        self._told_at = -math.inf
        self.restart()

    def restart(self) -> None:
        """Forget the time until now, because the loop was not meant to run."""
        self._cycle_at = _clock()

    def check(self) -> float:
        """Return the length of the pause that ends now, s; 0 if there was none. Once per cycle."""
        since = _clock() - self._cycle_at
        self.restart()
        if since <= self._limit:
            return 0.0
        self.ended_at = time.monotonic()
        return since

    def must_tell(self) -> bool:
        """Return whether the pause is logged; not more than once per TELL_PERIOD."""
        now = time.monotonic()
        if now - self._told_at < TELL_PERIOD:
            return False
        self._told_at = now
        return True


def _clock() -> float:
    """Return monotonic s that include the time while the computer was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
