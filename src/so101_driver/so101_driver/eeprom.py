"""The EEPROM of a servo, which is writable only while it is unlocked."""

from collections.abc import Iterator
from contextlib import contextmanager

from . import servo
from .bus import Bus


@contextmanager
def unlocked(bus: Bus, number: int) -> Iterator[None]:
    """Unlock the EEPROM of servo `number` for the `with` block; CellError without an answer."""
    bus.write(number, servo.LOCK, 1, 0)
    try:
        yield
    finally:
        bus.write(number, servo.LOCK, 1, 1)
