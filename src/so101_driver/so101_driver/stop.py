"""The stop in force for all arms of a driver. It latches: only `clear` ends it.

Any thread may use it. From the moment that `set` returns, no arm obeys a command, switches torque
on or goes to rest.
"""

from enum import IntEnum
import threading


class Stop(IntEnum):
    """Kinds of stop, as in DriverStatus.stop."""

    RUNNING = 0  # no stop
    HOLD = 1  # the arms hold their pose
    RELEASE = 2  # the arms have no torque


_TEXTS = {Stop.HOLD: 'the arms hold', Stop.RELEASE: 'the arms have no torque'}


class StopLatch:
    """The stop in force: its kind and its cause."""

    def __init__(self) -> None:
        self.kind, self.cause = Stop.RUNNING, ''
        self.count = 0  # stops and resets since the start
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return self.kind is not Stop.RUNNING

    def set(self, kind: Stop, cause: str) -> None:
        """Put a stop in force. A release replaces a hold; a hold does not end a release."""
        with self._lock:
            if kind > self.kind:
                self.kind, self.cause = kind, cause
                self.count += 1

    def clear(self) -> None:
        """End the stop."""
        with self._lock:
            if self.kind is not Stop.RUNNING:
                self.kind, self.cause = Stop.RUNNING, ''
                self.count += 1

    @property
    def sentence(self) -> str:
        """What is in force and how it ends; '' without a stop."""
        kind = self.kind
        if kind is Stop.RUNNING:
            return ''
        return (
            f'a stop is in force ({self.cause}): {_TEXTS[kind]}; when it is safe, end it with '
            'driver/stop_reset (key c)'
        )
