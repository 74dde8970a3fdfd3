"""Identifies the arm on each port by the calibration in the EEPROM of its servos.

The check runs before any write, so that swapped cables cannot overwrite one arm's calibration with
the other's. The supply voltage is the second criterion. The gear ratio cannot be read: servos with
1:147, 1:191 and 1:345 all report model 777, and no register differs by it.
"""

from collections.abc import Sequence

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus, NoAnswer
from .calibration import Calibration
from .missing import missing_servos

Registers = tuple[int, int, int]  # homing_offset, range_min, range_max of one servo

SAME = 4  # joints that must agree with the file of the arm
OTHER = 1  # joints that may agree by chance with another file
VOLTAGE_GAP = 2.0  # V; the leader's supply is never this much above the follower's


def calibration_of(table: bytes) -> Registers:
    """Return (homing_offset, range_min, range_max) of the EEPROM `table` of one servo."""

    def word(address: int) -> int:
        return table[address] | table[address + 1] << 8

    homing = int(servo.from_sign_magnitude(word(servo.HOMING_OFFSET), servo.HOMING_SIGN))
    return homing, word(servo.MIN_POSITION_LIMIT), word(servo.MAX_POSITION_LIMIT)


def read_identity(bus: Bus) -> tuple[list[Registers], float]:
    """Return (`calibration_of` each joint's servo, supply voltage of the first servo in V)."""
    rows = []
    for joint in JOINTS:
        try:
            rows.append(calibration_of(bus.read(SERVO_IDS[joint], 0, servo.EEPROM_END)[1]))
        except NoAnswer as error:
            raise NoAnswer(f'{joint}: {error}{missing_servos(bus)}') from error
    return rows, bus.read(SERVO_IDS[JOINTS[0]], servo.PRESENT_VOLTAGE, 1)[1][0] * 0.1


def matches(rows: Sequence[Registers], calibration: Calibration) -> int:
    """Return the number of joints whose EEPROM agrees with the file."""
    files = zip(
        calibration.homing_offset.tolist(),
        calibration.range_min.tolist(),
        calibration.range_max.tolist(),
    )
    return sum(row == file for row, file in zip(rows, files))


def recognise(rows: Sequence[Registers], calibrations: dict[str, Calibration]) -> str:
    """Return the name of the arm whose file agrees with the servos; '' if it is not clear."""
    agree = {arm: matches(rows, calibration) for arm, calibration in calibrations.items()}
    found = [arm for arm, count in agree.items() if count >= SAME]
    rest = [count for arm, count in agree.items() if arm not in found]
    return found[0] if len(found) == 1 and all(count <= OTHER for count in rest) else ''


def describe_arm(bus: Bus, calibrations: dict[str, Calibration]) -> str:
    """Return a part of a sentence that names the arm on a port."""
    try:
        rows, voltage = read_identity(bus)
    except CellError as error:
        return f'on {bus.path}: {error}'
    found = recognise(rows, calibrations)
    if found:
        return f'the arm on {bus.path} is the {found} ({voltage:.1f} V)'
    return f'{bus.path} has an arm at {voltage:.1f} V whose servos keep no known calibration'


def check_identity(buses: dict[str, Bus], calibrations: dict[str, Calibration]) -> None:
    """Raise CellError if the wrong arm is on a port. `calibrations` may have more arms."""
    found, voltage = {}, {}
    for arm, bus in buses.items():
        rows, voltage[arm] = read_identity(bus)
        found[arm] = recognise(rows, calibrations)
    two = len(voltage) == 2
    if (
        two
        and found['follower'] == 'leader'
        and found['leader'] == 'follower'
        and (voltage['follower'] > voltage['leader'] + VOLTAGE_GAP)
    ):
        raise CellError(
            f'the follower on {buses["follower"].path} ({voltage["follower"]:.1f} V) keeps the '
            f'calibration of {calibrations["leader"].path}, and the leader the other: exchange '
            'follower_calibration and leader_calibration'
        )
    for arm, other in found.items():
        if other and other != arm:
            raise CellError(
                f'{arm}_port: the arm on {buses[arm].path} is the {other}: its servos keep the '
                f'calibration of {calibrations[other].path}; exchange follower_port and '
                'leader_port'
            )
    if two and voltage['leader'] > voltage['follower'] + VOLTAGE_GAP:
        raise CellError(
            f'the leader on {buses["leader"].path} has {voltage["leader"]:.1f} V and the '
            f'follower on {buses["follower"].path} {voltage["follower"]:.1f} V: the ports or '
            'the power supplies are exchanged'
        )
