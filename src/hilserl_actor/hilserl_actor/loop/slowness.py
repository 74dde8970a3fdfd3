"""Tells when the computer is too slow for the rate of the control loop."""

from collections.abc import Callable
import os

PERIOD = 30.0  # s over which ticks are counted
SHARE = 0.1  # of missed ticks from which it is told


def _load() -> float:
    return os.getloadavg()[0]


class Slowness:
    """Counts the missed ticks of a loop with `rate` ticks a second. load: the computer's."""

    def __init__(self, rate: float, load: Callable[[], float] = _load):
        self._rate, self._load = rate, load
        self._since: tuple[float, int, int] | None = None  # s, ticks and missed ones, then

    def sentence(self, now: float, ticks: int, missed: int) -> str:
        """Return a sentence if too many ticks of the last PERIOD were missed, else ''.

        now: s, monotonic. ticks, missed: how many ticks ran and were missed until now.
        """
        if self._since is None:
            self._since = now, ticks, missed
        at, ran_before, missed_before = self._since
        if now - at < PERIOD:
            return ''
        self._since = now, ticks, missed
        lost = missed - missed_before
        share = lost / max(1, ticks - ran_before + lost)
        if share < SHARE:
            return ''
        return (
            f'the control loop missed {share:.0%} of its ticks at load {self._load():.0f} on '
            f'{os.cpu_count()} processors; close other programs, or rate:={self._rate / 2:g}'
        )
