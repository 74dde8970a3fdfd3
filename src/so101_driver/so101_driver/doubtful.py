"""Angles that no joint can have reached since its last answer: not believed at once.

A checksum of one byte lets one of 256 spoilt answers pass, and an answer may bear another servo's
id. An angle that the next answer confirms is believed: a hand may have moved a joint meanwhile.
"""

from .servo import to_position

MOST_SPEED = 8000.0  # ticks/s (12 rad/s), more than a servo does at its highest voltage
MARGIN = 200.0  # ticks (0.3 rad), and for answers that arrive late


class Doubtful:
    """Compares the position in each telemetry block of `count` servos with the one before."""

    def __init__(self, count: int):
        self._believed: list[tuple[float, int] | None] = [None] * count  # (monotonic s, ticks)
        self._doubted: list[tuple[float, int] | None] = [None] * count

    def __call__(self, i: int, data: bytes, at: float) -> bool:
        """Return whether the answer of servo `i`, requested at monotonic s, is to be dropped."""
        new = at, to_position(data[:2])
        last, doubted = self._believed[i], self._doubted[i]
        if last and not _reachable(last, new) and not (doubted and _reachable(doubted, new)):
            self._doubted[i] = new
            return True
        self._believed[i], self._doubted[i] = new, None
        return False

    def forget(self) -> None:
        """Believe the next answer of each servo."""
        self._believed = [None] * len(self._believed)


def _reachable(before: tuple[float, int], after: tuple[float, int]) -> bool:
    return abs(after[1] - before[1]) <= MARGIN + MOST_SPEED * (after[0] - before[0])
