"""Tells what a starting cell waits for, and when the computer is too slow for it."""

from collections.abc import Sequence
import os

FIRST_LINE = 5.0  # s; on a quiet computer a cell starts in about this time
PERIOD = 10.0  # s between two lines
LIMIT = 300.0  # s for the start of a simulated cell


class StartProgress:
    """The start of one cell, from `began` on (s, monotonic)."""

    def __init__(self, began: float):
        self._began, self._due = began, began + FIRST_LINE

    def line(self, now: float, waiting: Sequence[str]) -> str:
        """Return the line that is due now, or ''. waiting: the nodes that are not up yet."""
        if now < self._due or not waiting:
            return ''
        self._due = now + PERIOD
        return f'waiting for {", ".join(waiting)}: {now - self._began:.0f} s, {_load()}'

    def problem(self, now: float, waiting: Sequence[str]) -> str:
        """Return the sentence on a start that takes too long, or ''."""
        if now - self._began <= LIMIT:
            return ''
        missing = f'{", ".join(waiting)} not up' if waiting else 'its checks not passed'
        return (
            f'the start failed: after {LIMIT:.0f} s {missing}, {_load()}; close other programs, '
            'or rate:=5; if the computer is not busy, the lines above say what is missing'
        )


def _load() -> str:
    return f'load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors'
