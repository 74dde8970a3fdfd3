"""Counts the ticks without observations, and the ticks with observations that follow them.

A long gap ends the episode. After it, and after a time without ticks, a request to move must wait
until observations have arrived for RECOVERY_TIME.
"""

from collections.abc import Callable
import time

UNOBSERVED_TIME = 0.5  # s without observations after which the episode ends
RECOVERY_TIME = 1.0  # s with observations before a start: a restarted driver receives late


class ObservationGap:
    """The gap of the last ticks. rate: ticks a second; clock: steady, s.

    patience: factor of UNOBSERVED_TIME.
    """

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, patience: float = 1.0
    ):
        self._clock = clock
        self._ticked_at: float | None = None
        self._longest = max(UNOBSERVED_TIME * patience, 3.0 / rate)  # s between two ticks
        self._reason = ''  # of the last tick without observations
        self._limit = round(UNOBSERVED_TIME * patience * rate)
        self._recovery_limit = round(RECOVERY_TIME * rate)
        self._ticks = 0
        self._recovery_ticks = 0  # counts down to 0

    def note_missing(self, reason: str) -> bool:
        """Note a tick without observations; return whether the gap has become long by it."""
        self._note_tick()
        self._reason = reason
        self._ticks += 1
        if self._ticks != self._limit:
            return False
        self._recovery_ticks = self._recovery_limit
        return True

    def note_observed(self) -> None:
        """Note a tick with observations."""
        self._note_tick()
        self._ticks, self._recovery_ticks = 0, max(0, self._recovery_ticks - 1)

    def _note_tick(self) -> None:
        now = self._clock()
        if self._ticked_at is not None and now - self._ticked_at > self._longest:
            self._recovery_ticks = self._recovery_limit
        self._ticked_at = now

    @property
    def reason(self) -> str:
        """Why the last tick had no observations; '' if it had."""
        return self._reason if self._ticks else ''

    @property
    def blindness(self) -> str:
        """Why the loop does not see the arm now, or ''."""
        silence = 0.0 if self._ticked_at is None else self._clock() - self._ticked_at
        if silence > self._longest:
            return f'the control loop has not run for {silence:.1f} s'
        if self._ticks:
            return self._reason
        if self.is_recovering:
            return f'inputs are missing or recovered less than {RECOVERY_TIME:g} s ago'
        return ''

    @property
    def is_long(self) -> bool:
        """Whether there were no observations for UNOBSERVED_TIME or more."""
        return self._ticks >= self._limit

    @property
    def is_recovering(self) -> bool:
        """Whether the last long gap is not over, or ended less than RECOVERY_TIME ago."""
        return self._recovery_ticks > 0
