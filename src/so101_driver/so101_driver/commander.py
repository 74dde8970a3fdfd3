"""Which publisher the driver obeys: one at a time, and the others are refused by name.

A run has the command while its actor status arrives, a publisher without a run while it sends
commands. Times are s of one monotonic clock. Any thread may use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math
import threading

from so101_node.errors import CellError
from so101_node.publisher import Publisher, described
from so101_node.run_id import check_run_id

RUN_SILENCE = 2.0  # s without a status of the actor after which its run loses the command
PLAIN_SILENCE = 2.0  # s without a command, for a publisher without a run
PAUSE = 1.0  # s between two checks, from which the driver did not run
FIRST_COMMAND = 10.0  # s that such a publisher has for its first command


@dataclass
class _Holder:
    publisher: Publisher  # of this name; after the first command: the one that sent it
    run_id: str
    until: float
    has_sent: bool = False


class Commander:
    """The publisher that has the command, if one has it.

    own: id of a publisher of the driver. patience: factor of the silence of a run.
    """

    def __init__(self, own: bytes, patience: float = 1.0):
        self._own, self._run_silence = own, RUN_SILENCE * patience
        self._holder: _Holder | None = None
        self._checked_at = -math.inf
        self._lock = threading.Lock()

    def held_by(self) -> tuple[str, str]:
        """Return the full name and the run of the node that has the command; '' if none has."""
        with self._lock:
            holder = self._holder
            return (holder.publisher.node, holder.run_id) if holder else ('', '')

    def take(self, found: Sequence[Publisher], node: str, run_id: str, now: float) -> None:
        """Give the command to a node; CellError if it cannot have it.

        found: the publishers of the command topic. node: full name; '' means the only publisher.
        """
        check_run_id(run_id)
        chosen = [each for each in found if each.node and each.node == (node or each.node)]
        if not chosen:
            raise CellError(
                f'{node[:100] or "no node"} publishes no joint commands here yet; start it first'
            )
        # Discovery lists a killed node of the same name for some time: the first command decides.
        count = len({publisher.node for publisher in chosen})
        if count > 1:
            raise CellError(
                f'{count} nodes publish joint commands: {described(chosen, self._own)}; name the '
                'one that shall have the command'
            )
        with self._lock:
            if self._holder and not any(map(self._is_held_by, found)):
                self._holder = None  # it has ended
            if (
                self._holder
                and now < self._holder.until
                and not self._may_renew(chosen[0], run_id)
            ):
                raise CellError(f'{self._holder_text()} has the command; end it first')
            until = now + (self._run_silence if run_id else FIRST_COMMAND)
            self._holder = _Holder(chosen[0], run_id, until)

    def check(self, now: float) -> str:
        """Take the command from a holder that was silent too long; return a sentence if so.

        Call it regularly: a time in which it was not called is a pause of the driver, in which it
        heard nobody, and no silence of the holder.
        """
        with self._lock:
            lost, self._checked_at = self._check(now), now
            return lost

    def end(self) -> None:
        """Take the command from its holder."""
        with self._lock:
            self._holder = None

    def note_status(self, run_id: str, now: float, gid: bytes = b'') -> bool:
        """Take note of an actor's status; return whether its run has the command.

        gid: of its publisher; b'' where ROS does not tell. CellError if the status bears the run
        that has the command, but comes from another process than its commands: it is repeated.
        """
        with self._lock:
            if self._holder is None or not run_id or self._holder.run_id != run_id:
                return False
            sender = Publisher('', gid)
            if self._holder.has_sent and gid and sender.process != self._holder.publisher.process:
                raise CellError(
                    f'it bears the run of {self._holder_text()}, but another process sent it; '
                    'do not play a bag on the topics of a running cell'
                )
            self._holder.until = now + self._run_silence
            return True

    def require(self, sender: Publisher | None, now: float) -> None:
        """CellError unless this publisher has the command. None: ROS does not tell who sent it."""
        with self._lock:
            self._check(now)
            who = sender.described(self._own) if sender else 'an unknown publisher'
            if self._holder is None:
                raise CellError(
                    f'command of {who} refused: it must call driver/take_command first'
                )
            if sender is None or not self._is_held_by(sender):
                raise CellError(f'command of {who} refused: {self._holder_text()} has the command')
            self._holder.publisher, self._holder.has_sent = sender, True
            if not self._holder.run_id:
                self._holder.until = now + PLAIN_SILENCE

    def _check(self, now: float) -> str:
        pause = now - self._checked_at
        if self._holder and PAUSE < pause < math.inf:
            self._holder.until += pause
            self._checked_at = now
        if self._holder is None or now < self._holder.until:
            return ''
        sentence = f'{self._holder_text()} lost the command: it has ended, or is silent'
        self._holder = None
        return sentence

    def _is_held_by(self, publisher: Publisher) -> bool:
        if self._holder is None:
            return False
        held, has_sent = self._holder.publisher, self._holder.has_sent
        return publisher.node == held.node and (publisher.process == held.process or not has_sent)

    def _may_renew(self, publisher: Publisher, run_id: str) -> bool:
        """Whether the holder itself asks again: the same name, and no other run."""
        assert self._holder is not None
        return publisher.node == self._holder.publisher.node and self._holder.run_id in (
            '',
            run_id,
        )

    def _holder_text(self) -> str:
        assert self._holder is not None
        run = f' of run {self._holder.run_id}' if self._holder.run_id else ''
        return f'{self._holder.publisher.described(self._own)}{run}'
