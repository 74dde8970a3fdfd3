"""Whether a power supply fits the servos of an arm, by their registers of voltage limits."""

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus

MEASURED_AWAY = 1.5  # V between the stated supply and what a servo measures, from which it is told


def measured(table: bytes) -> float:
    """Return the voltage that a servo measures, V. table: its registers from 0 on."""
    return 0.1 * table[servo.PRESENT_VOLTAGE]


def misfit(table: bytes, volts: float) -> str:
    """Return a part of a sentence if a servo is not made for `volts`, else ''."""
    high, low = (0.1 * table[servo.MAX_VOLTAGE_LIMIT + i] for i in (0, 1))
    if low <= volts <= high:
        return ''
    return f'{volts:.1f} V, and this servo is for {low:.1f} to {high:.1f} V (registers 15 and 14)'


def check_supply(arm: str, bus: Bus, volts: float) -> None:
    """Raise CellError if a supply of `volts` does not fit a servo, or is not what it measures."""
    for joint in JOINTS:
        table = bus.read(SERVO_IDS[joint], 0, servo.PRESENT_VOLTAGE + 1)[1]
        if problem := misfit(table, volts):
            raise CellError(
                f'{arm}_voltage: {joint}: the supply has {problem}; switch it off and use one '
                f'that fits, or correct {arm}_voltage'
            )
        if abs(measured(table) - volts) > MEASURED_AWAY:
            raise CellError(
                f'{arm}_voltage: {joint} measures {measured(table):.1f} V, and the supply is said '
                f'to have {volts:.1f} V; use the right supply, or correct {arm}_voltage'
            )
