"""Notices that the wall clock of this computer was set, by comparing it with the monotonic clock.

ROS stamps messages with the wall clock, so an age that was computed from stamps is wrong then.
"""

from collections.abc import Callable
import time

SMALLEST = 0.05  # s; a smaller difference is drift or a delay of this process
READ_TIME = 2_000_000  # ns; if reading both clocks takes longer, read them again
TRIES = 3


class WallClock:
    """The wall clock since the last call of `step`. wall, steady: ns."""

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ):
        self._wall, self._steady = wall, steady
        self._difference: int | None = None
        self.step()

    def step(self) -> float:
        """Return by how much (s) the wall clock was set since the last call; 0.0: it was not."""
        for _ in range(TRIES):
            began, wall, ended = self._steady(), self._wall(), self._steady()
            if ended - began <= READ_TIME:
                break
        else:
            return 0.0  # this process has no time now; the next call compares again
        before, self._difference = self._difference, wall - began
        step = 0.0 if before is None else (self._difference - before) * 1e-9
        return step if abs(step) >= SMALLEST else 0.0


def clock_sentence(step: float) -> str:
    """Return the sentence on a step, s."""
    return (
        f'the clock of this computer was set {"forward" if step > 0.0 else "back"} by '
        f'{abs(step):.1f} s'
    )
