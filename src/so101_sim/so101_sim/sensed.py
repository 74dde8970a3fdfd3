"""What a servo measures, and how its registers have signed numbers."""

from typing import NamedTuple


class Sensed(NamedTuple):
    """The state of the joint as the servo measures it."""

    position: float  # encoder ticks, continuous
    velocity: float = 0.0  # ticks/s
    load: float = 0.0  # -1 .. 1 of the stall torque
    current: float = 0.0  # A
    voltage: float = 12.0  # V
    temperature: float = 30.0  # degrees Celsius


def sign_magnitude(value: float, sign_bit: int) -> int:
    """Encode a number as magnitude and sign bit; it saturates."""
    magnitude = min(int(abs(value) + 0.5), (1 << sign_bit) - 1)
    return magnitude | (1 << sign_bit) if value < 0 and magnitude else magnitude


def from_sign_magnitude(code: int, sign_bit: int) -> int:
    """Decode `sign_magnitude`."""
    magnitude = code & ((1 << sign_bit) - 1)
    return -magnitude if code >> sign_bit & 1 else magnitude
