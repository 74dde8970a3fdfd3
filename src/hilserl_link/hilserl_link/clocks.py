"""How the clocks of two hosts differ: the exchange of NTP (RFC 5905, section 8), over the link.

The asking side notes when it asked and when the answer came; the other side, when it answered. The
answer with the shortest round trip tells the difference best: at most half of it is uncertain. One
thread notes the exchanges, others read the result.
"""

from collections import deque
from math import nan
from typing import NamedTuple

SAMPLES = 16  # round trips from which the shortest is taken


class Sample(NamedTuple):
    """One exchange. All in s: round trip, and the other host's clocks minus this host's."""

    round_trip: float
    steady: float
    wall: float


NONE = Sample(nan, nan, nan)  # nothing is known


class ClockDifference:
    """The difference of the other host's clocks, from the exchanges so far."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.best = NONE  # the exchange with the shortest round trip

    def add(
        self, asked: float, answered: float, arrived: float, wall_answered: float, wall_now: float
    ) -> None:
        """Note an exchange. asked, arrived: this host's steady clock; answered: the other's.

        wall_answered: the other's wall clock at `answered`; wall_now: this one's at `arrived`.
        """
        trip = arrived - asked
        middle = asked + trip / 2
        self._samples.append(
            Sample(trip, answered - middle, wall_answered - (wall_now - trip / 2))
        )
        self.best = min(self._samples)

    def clear(self) -> None:
        """Forget all: the other host was started again, or a clock was set."""
        self._samples.clear()
        self.best = NONE
