"""Which arm is on which port: each servo's EEPROM keeps the calibration that was written to it.

Asked before anything is written, so that a swapped cable cannot overwrite one arm's calibration
with the other's. The supply voltage is the second witness. The gear ratio is none: the servos
with 1:147, 1:191 and 1:345 all report model 777 and keep no register that differs by it.
"""

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus
from .calibration import Calibration

SAME = 4  # joints that agree with a file: that arm
OTHER = 1  # joints that agree by chance at most
VOLTAGE_GAP = 2.0  # V; of the two arms, the leader never has the higher supply


def calibration_of(table: bytes) -> tuple[int, int, int]:
    """(homing_offset, range_min, range_max) in the EEPROM `table` of one servo."""

    def word(address):
        return table[address] | table[address + 1] << 8

    homing = int(servo.from_sign_magnitude(word(servo.HOMING_OFFSET), servo.HOMING_SIGN))
    return homing, word(servo.MIN_POSITION_LIMIT), word(servo.MAX_POSITION_LIMIT)


def read_identity(bus: Bus) -> tuple[list[tuple[int, int, int]], float]:
    """(`calibration_of` each joint's servo, supply voltage of the first in V)."""
    rows = []
    for joint in JOINTS:
        try:
            rows.append(calibration_of(bus.read(SERVO_IDS[joint], 0, servo.EEPROM_END)[1]))
        except CellError as error:
            raise CellError(f'{joint}: {error}{_who_answers(bus)}') from error
    return rows, bus.read(SERVO_IDS[JOINTS[0]], servo.PRESENT_VOLTAGE, 1)[1][0] * 0.1


def _who_answers(bus: Bus) -> str:
    """The servos are a chain: the first that is silent tells where to look."""
    present = []
    for number in SERVO_IDS.values():
        try:
            bus.ping(number)
            present.append(number)
        except CellError:
            pass
    return f'; on this bus answer: {", ".join(map(str, present)) or "none"}'


def matches(rows, calibration: Calibration) -> int:
    """How many joints' EEPROM says what the file says."""
    files = zip(
        calibration.homing_offset.tolist(),
        calibration.range_min.tolist(),
        calibration.range_max.tolist(),
    )
    return sum(row == file for row, file in zip(rows, files))


def recognise(rows, calibrations: dict[str, Calibration]) -> str:
    """Name of the arm whose file the servos agree with; '' if that is none or not clear."""
    agree = {arm: matches(rows, calibration) for arm, calibration in calibrations.items()}
    found = [arm for arm, count in agree.items() if count >= SAME]
    rest = [count for arm, count in agree.items() if arm not in found]
    return found[0] if len(found) == 1 and all(count <= OTHER for count in rest) else ''


def who_is_there(bus: Bus, calibrations: dict[str, Calibration]) -> str:
    """Part of a sentence on the arm that is on a port."""
    try:
        rows, voltage = read_identity(bus)
    except CellError as error:
        return f'on {bus.path}: {error}'
    found = recognise(rows, calibrations)
    if found:
        return f'the arm on {bus.path} is the {found} ({voltage:.1f} V)'
    return f'{bus.path} has an arm at {voltage:.1f} V whose servos keep no known calibration'


def check_identity(buses: dict[str, Bus], calibrations: dict[str, Calibration]) -> None:
    """CellError if a port has the other arm on it; `calibrations` may know more arms."""
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
