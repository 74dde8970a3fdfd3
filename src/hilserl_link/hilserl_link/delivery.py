"""Steps from the arm's spool to the learner's disk: in order, each once, none lost.

The arm's side has an `Outbox`, the learner's side an `Inbox`. A connection delivers in order, so
both need to agree only when one begins (`Inbox.begin`), on the number to go on with. A step stays
in the spool until the learner has it on disk. The inbox keeps each step until then, because the
learner may die before. Free of ROS and of the network.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from so101_node.errors import CellError

from .spool import Spool, Spooled

WINDOW = 400  # steps that may be on their way to the learner's disk
MESSAGE = 1 << 18  # bytes of steps in one message, before they are packed
MOST = 32  # steps in one message
AGAIN = 10.0  # s after which a step that is not on disk is delivered to the learner again


class Outbox:
    """The steps of one spool that go out over the present connection."""

    def __init__(self, spool: Spool, number: int):
        """`number`: with which the other side goes on."""
        self.spool = spool
        if number > spool.next:
            raise CellError(
                f'the learner expects step {number} of the spool, which ends before {spool.next}: '
                'a copy of the spool was used elsewhere; move it away'
            )
        self._cursor = max(number, spool.first)

    def next(self) -> list[Spooled]:
        """Return the steps to send now, in order; [] if there is none, or no room on the way."""
        room = min(MOST, self.spool.first + WINDOW - self._cursor)
        found = self.spool.read(self._cursor, room, MESSAGE) if room > 0 else []
        if found:
            self._cursor = found[-1].number + 1
        return found


@dataclass(frozen=True)
class _Kept:
    """A step that is not known to be on disk. data: None if it needs no delivery any more."""

    number: int
    episode: str
    index: int
    data: bytes | None


class Inbox:
    """The steps of one spool that came in.

    deliver: gives a serialised step to the learner whose session was noted last, in order.
    """

    def __init__(self, deliver: Callable[[bytes], object]):
        self._deliver = deliver
        self._kept: deque[_Kept] = deque()
        self._on_disk: Mapping[str, int] = {}
        self._learner = ''  # session of the learner
        self._since = 0.0  # when the oldest step was delivered last
        self.expected = 0  # number of the next step; 0: not begun
        self.recorded = 0  # all steps up to this number are on the learner's disk, or refused
        self.refused = 0

    def begin(self, first: int) -> int:
        """Begin a connection; return the number to go on with. first: in the other spool."""
        if first > self.expected:  # another inbox has had the steps before
            self._kept.clear()
            self.expected, self.recorded = first, first - 1
        return self.expected

    def take(self, number: int, data: bytes, episode: str, index: int, now: float) -> None:
        """Take a step. CellError if it is not the expected one, or no learner is known.

        now: s, steady.
        """
        if not self._learner:  # it must get the steps that it has lost before this one
            raise CellError('no step can be taken before a learner is known')
        self._expect(number)
        if self._on_disk.get(episode, -1) >= index:
            self._kept.append(_Kept(number, episode, index, None))
        else:
            self._since = self._since if self._kept else now
            self._kept.append(_Kept(number, episode, index, data))
            self._deliver(data)
        self._advance(now)

    def refuse(self, number: int, now: float) -> None:
        """Take a step that can never be used."""
        self._expect(number)
        self.refused += 1
        self._kept.append(_Kept(number, '', 0, None))
        self._advance(now)

    def _expect(self, number: int) -> None:
        if number != self.expected:
            raise CellError(f'step {number} of the spool came, {self.expected} was expected')
        self.expected += 1

    def note_on_disk(self, learner: str, on_disk: Mapping[str, int], now: float) -> None:
        """Note what the learner has on disk, by episode. learner: its session.

        Another session than before gets all steps that are not on disk, before any new one.
        """
        if on_disk is self._on_disk and learner == self._learner:
            return
        self._on_disk = on_disk
        again = learner != self._learner  # it was started, perhaps again
        self._learner = learner
        self._advance(now)
        if again:
            self._deliver_again(now)

    def check(self, now: float) -> None:
        """Deliver again what the learner should have recorded by now."""
        if self._kept and now - self._since > AGAIN:
            self._deliver_again(now)

    def _deliver_again(self, now: float) -> None:
        self._since = now
        for kept in self._kept:
            if kept.data is not None and not self._is_on_disk(kept):
                self._deliver(kept.data)

    def _is_on_disk(self, kept: _Kept) -> bool:
        return self._on_disk.get(kept.episode, -1) >= kept.index

    def _advance(self, now: float) -> None:
        while self._kept and (self._kept[0].data is None or self._is_on_disk(self._kept[0])):
            self.recorded = self._kept.popleft().number
            self._since = now
