"""The requests to the control loop since its last tick: events and their causes.

A stop outranks them: it removes those that wait; until the tick has served it, they are refused.
"""

from collections import deque
from collections.abc import Callable
import threading

from .modes import ModeMachine, words
from .observation_gap import ObservationGap

MAX_WAIT = 0.5  # s, or three ticks, from a request to the tick that serves it; then it expires
# Without an observation these are accepted, because they move nothing. A mark may wait for it.
_ACCEPTED_BLIND = ('success', 'failure', 'discard', 'pause', 'fault', 'estop_reset')
NOTICE_TIME = 5.0  # s for which the status tells what expired
_STARTS = {'train': 'start', 'record': 'start_human', 'eval': 'start_eval'}  # by role


class Requests:
    """Events in order of arrival. Any thread adds them; the loop's thread takes them.

    rate: ticks a second; clock: steady, s; log: gets a line for each request that expires;
    patience: factor of MAX_WAIT.
    """

    def __init__(
        self,
        role: str,
        machine: ModeMachine,
        gap: ObservationGap,
        rate: float,
        clock: Callable[[], float],
        log: Callable[[str], object],
        patience: float = 1.0,
    ):
        self._role, self._machine, self._gap = role, machine, gap
        self._max_wait = max(MAX_WAIT * patience, 3.0 / rate)
        self._clock, self._log = clock, log
        self._expired, self._expired_at = '', 0.0
        self._waiting: deque[tuple[str, str, float]] = deque()  # event, cause, s of the clock
        self._lock = threading.Lock()
        self._stop_cause: str | None = None  # of a stop that the loop has not served yet

    def stop(self, cause: str) -> None:
        """Request a stop."""
        with self._lock:
            self._waiting.clear()
            self._stop_cause = self._stop_cause or cause

    def take_stop(self) -> str | None:
        """Return the cause of a requested stop; None without one."""
        with self._lock:
            cause, self._stop_cause = self._stop_cause, None
            return cause

    def add(self, event: str, cause: str, has_leader: bool) -> str:
        """Add `event`; return why it is refused, or ''.

        'start' starts an episode in the mode of the role. The same event with the same cause is
        added once.
        """
        if event == 'start':
            event = _STARTS[self._role]
        with self._lock:
            sentence = self._refusal(event, has_leader)
            if not sentence and (event, cause) not in (each[:2] for each in self._waiting):
                sentence = self._machine.refusal(event)
                if not sentence:
                    self._waiting.append((event, cause, self._clock()))
            return sentence

    def _refusal(self, event: str, has_leader: bool) -> str:
        if self._stop_cause is not None:
            return f'{words(event)} refused: a stop is in force'
        if event in ('intervene', 'start_human') and not has_leader:
            return f'{words(event)} needs a leader arm, and none reports joint states'
        if event not in _ACCEPTED_BLIND and (blindness := self._gap.blindness):
            return (
                self._machine.refusal(event) or f'{words(event)} refused: {blindness}; try again'
            )
        if event == 'release' and self._role == 'record':
            return f'{words(event)} is not possible while recording: the human drives every step'
        return ''

    def take_all(self) -> list[tuple[str, str]]:
        """Return all events with their causes, and remove them."""
        with self._lock:
            waiting, self._waiting = [each[:2] for each in self._waiting], deque()
        return waiting

    @property
    def expired(self) -> str:
        """A sentence on the requests that expired, for NOTICE_TIME; then ''."""
        return self._expired if self._clock() - self._expired_at < NOTICE_TIME else ''

    def expire(self) -> None:
        """Drop the requests that have waited too long. Call it in each tick."""
        with self._lock:
            before = self._clock() - self._max_wait
            expired = [each for each in self._waiting if each[2] < before]
            for each in expired:
                self._waiting.remove(each)
        if expired:
            events = ', '.join(words(event) for event, _, _ in expired)
            self._expired_at = self._clock()
            self._expired = f'{events} expired: not served within {self._max_wait:g} s; ask again'
            self._log(self._expired)

    def take_if(self, event: str) -> tuple[str, str] | None:
        """If `event` waits, return it with its cause and remove all events; else None."""
        with self._lock:
            found = next((each[:2] for each in self._waiting if each[0] == event), None)
            if found:
                self._waiting.clear()
        return found
