"""Writes the driver's settings into the servos of one arm.

EEPROM wears out, so only registers that differ are written; in daily use there are none. The
torque of a servo goes off before its EEPROM is written, so that the joint does not jump.
"""

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus
from .calibration import Calibration

SETTINGS = {
    servo.RETURN_DELAY: 0,
    servo.P_GAIN: 16,
    servo.I_GAIN: 0,
    servo.D_GAIN: 32,
    servo.OPERATING_MODE: 0,
}
# The gripper presses on objects for minutes: half torque, early protection.
GRIPPER_TORQUE = 500  # 0.1 %
# Below the servos' Overload_Torque (80 %), so that a policy that presses on the table, or a person
# who blocks the leader, causes no fault. To hold the arm stretched out takes 30 %.
ARM_TORQUE = 700  # 0.1 %, of the other joints
GRIPPER_SETTINGS = {
    servo.MAX_TORQUE_LIMIT: GRIPPER_TORQUE,
    servo.PROTECTION_CURRENT: 250,
    servo.OVERLOAD_TORQUE: 25,
}
TWO_BYTES = (
    servo.MIN_POSITION_LIMIT,
    servo.MAX_POSITION_LIMIT,
    servo.MAX_TORQUE_LIMIT,
    servo.PROTECTION_CURRENT,
    servo.HOMING_OFFSET,
)
MAX_ACCELERATION = 254


def torque_limit(joint: str) -> int:
    """Return the torque limit of a joint's servo, in 0.1 % of its full drive."""
    return GRIPPER_TORQUE if joint == 'gripper' else ARM_TORQUE


def wanted_registers(calibration: Calibration, joint: int) -> dict[int, int]:
    """Return the EEPROM registers {address: unsigned value} of one joint."""
    wanted = dict(SETTINGS)
    if JOINTS[joint] == 'gripper':
        wanted |= GRIPPER_SETTINGS
    wanted[servo.HOMING_OFFSET] = servo.to_sign_magnitude(
        int(calibration.homing_offset[joint]), servo.HOMING_SIGN
    )
    wanted[servo.MIN_POSITION_LIMIT] = int(calibration.range_min[joint])
    wanted[servo.MAX_POSITION_LIMIT] = int(calibration.range_max[joint])
    return wanted


def _word(table: bytes, address: int) -> int:
    return table[address] | table[address + 1] << 8


def configure(bus: Bus, calibration: Calibration) -> list[str]:
    """Check the servo model and write registers that differ; return a line per written servo.

    CellError if a servo is missing, is another model, or does not keep a written value.
    """
    return [line for i in range(len(JOINTS)) if (line := _configure(bus, calibration, i))]


def _configure(bus: Bus, calibration: Calibration, joint: int) -> str:
    name = JOINTS[joint]
    number = SERVO_IDS[name]
    try:
        _, table = bus.read(number, 0, servo.TORQUE_LIMIT + 2)
    except CellError as error:
        raise CellError(f'{name}: {error}') from error
    model = _word(table, servo.MODEL)
    if model != servo.MODEL_NUMBER:
        raise CellError(
            f'{bus.path}: servo {number} ({name}) is model {model}, not an STS3215 '
            f'({servo.MODEL_NUMBER}); name the port of the arm'
        )
    if table[servo.ACCELERATION] != MAX_ACCELERATION:
        bus.write(number, servo.ACCELERATION, 1, MAX_ACCELERATION)
    wanted = wanted_registers(calibration, joint)
    limit = wanted.get(
        servo.MAX_TORQUE_LIMIT, min(_word(table, servo.MAX_TORQUE_LIMIT), torque_limit(name))
    )
    present = _word(table, servo.TORQUE_LIMIT)
    eased = name == 'gripper' and table[servo.TORQUE_ENABLE] and present < limit  # see `grip`
    if present != limit and not eased:
        bus.write(number, servo.TORQUE_LIMIT, 2, limit)
    different = {}
    for address, value in wanted.items():
        size = 2 if address in TWO_BYTES else 1
        if int.from_bytes(table[address : address + size], 'little') != value:
            different[address] = size, value
    if not different:
        return ''
    bus.write(number, servo.TORQUE_ENABLE, 1, 0)
    bus.write(number, servo.LOCK, 1, 0)
    try:
        for address, (size, value) in different.items():
            bus.write(number, address, size, value)
    finally:
        bus.write(number, servo.LOCK, 1, 1)
    for address, (size, value) in different.items():
        kept = int.from_bytes(bus.read(number, address, size)[1], 'little')
        if kept != value:
            raise CellError(
                f'{bus.path}: servo {number} ({name}): register {address} reads '
                f'{kept} after {value} was written; power the arm off and on'
            )
    return f'{name}: registers {", ".join(map(str, sorted(different)))} written'
