"""Writes the driver's settings into the servos of one arm.

EEPROM wears out, so only registers that differ are written; in daily use there are none. The
torque of a servo goes off before its EEPROM is written, so that the joint does not jump.
"""

import math

from so101_description.joints import JOINTS, MAX_VELOCITY, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus, NoAnswer
from .calibration import Calibration
from .eeprom import unlocked

SETTINGS = {
    servo.RETURN_DELAY: 0,
    servo.P_GAIN: 16,
    servo.I_GAIN: 0,
    servo.D_GAIN: 32,
    servo.STARTUP_FORCE: 16,
    servo.DEAD_ZONE_FORWARD: 1,
    servo.DEAD_ZONE_BACK: 1,
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
TWO_BYTES_OF_RAM = (servo.GOAL_TIME, servo.GOAL_VELOCITY)
NAMES = {
    servo.ACCELERATION: 'acceleration',
    servo.GOAL_TIME: 'goal time',
    servo.GOAL_VELOCITY: 'goal velocity',
    servo.MAXIMUM_ACCELERATION: 'maximum acceleration',
}
# No other register of the RAM is 254 after a restart of the servo, so this one shows a restart.
MAX_ACCELERATION = 254
# The servo limits its speed too. More than max_speed, so that it does not delay the setpoint.
SPEED_MARGIN = 1.05
MAX_GOAL_VELOCITY = 32767


def torque_limit(joint: str) -> int:
    """Return the torque limit of a joint's servo, in 0.1 % of its full drive."""
    return GRIPPER_TORQUE if joint == 'gripper' else ARM_TORQUE


def settings_of(joint: str) -> dict[int, int]:
    """Return the EEPROM registers {address: unsigned value} that need no calibration."""
    return SETTINGS | (GRIPPER_SETTINGS if joint == 'gripper' else {})


def different_registers(table: bytes, wanted: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Return {address: (size, value)} of the `wanted` registers that `table` has otherwise."""
    different = {}
    for address, value in wanted.items():
        size = 2 if address in TWO_BYTES else 1
        if int.from_bytes(table[address : address + size], 'little') != value:
            different[address] = size, value
    return different


def wanted_registers(calibration: Calibration, joint: int) -> dict[int, int]:
    """Return the EEPROM registers {address: unsigned value} of one joint."""
    wanted = settings_of(JOINTS[joint])
    wanted[servo.HOMING_OFFSET] = servo.to_sign_magnitude(
        int(calibration.homing_offset[joint]), servo.HOMING_SIGN
    )
    wanted[servo.MIN_POSITION_LIMIT] = int(calibration.range_min[joint])
    wanted[servo.MAX_POSITION_LIMIT] = int(calibration.range_max[joint])
    return wanted


def goal_velocity(calibration: Calibration, joint: int, max_speed: float) -> int:
    """Return the speed limit of a joint's servo itself, in ticks/s. max_speed: rad/s."""
    velocity = math.ceil(SPEED_MARGIN * max_speed / abs(float(calibration.scale[joint])))
    return min(velocity, MAX_GOAL_VELOCITY)


def ram_registers(calibration: Calibration, joint: int, max_speed: float) -> dict[int, int]:
    """Return the registers {address: value} that a restart of a joint's servo resets.

    max_speed: rad/s. The torque limit is not among them, see `torque_limit`.
    """
    return {
        servo.GOAL_TIME: 0,
        servo.GOAL_VELOCITY: goal_velocity(calibration, joint, max_speed),
        servo.ACCELERATION: MAX_ACCELERATION,
    }


def _word(table: bytes, address: int) -> int:
    return table[address] | table[address + 1] << 8


def configure(bus: Bus, calibration: Calibration, max_speed: float = MAX_VELOCITY) -> list[str]:
    """Check the servo model and write registers that differ; return a line per written servo.

    max_speed: rad/s; the limit in the servos themselves is a little above it. CellError if a
    servo is missing, is another model, or does not keep a written value.
    """
    lines = []
    for i in range(len(JOINTS)):
        lines += _configure(bus, calibration, i, max_speed)
    return lines


def _configure_ram(bus: Bus, name: str, table: bytes, wanted: dict[int, int]) -> str:
    """Write the RAM registers that differ; return a line about values that were left there."""
    number, left = SERVO_IDS[name], []
    for address, value in wanted.items():
        size = 2 if address in TWO_BYTES_OF_RAM else 1
        present = int.from_bytes(table[address : address + size], 'little')
        if present == value:
            continue
        bus.write(number, address, size, value)
        if present:  # 0: after power-on
            left.append(f'{NAMES[address]} {present} (now {value})')
    if not left:
        return ''
    return f'{name}: another program or an earlier start left {", ".join(left)}'


def _kept_limits(table: bytes, wanted: dict[int, int]) -> dict[int, int]:
    """Return the wider position limits that a servo keeps while its joint is held or outside.

    A joint outside its recorded range is held with wider limits (see `servos`). Narrower ones
    would pull it. With another homing, its position says nothing about the recorded range.
    """
    if _word(table, servo.HOMING_OFFSET) != wanted[servo.HOMING_OFFSET]:
        return {}
    low, high = _word(table, servo.MIN_POSITION_LIMIT), _word(table, servo.MAX_POSITION_LIMIT)
    least, most = wanted[servo.MIN_POSITION_LIMIT], wanted[servo.MAX_POSITION_LIMIT]
    position = servo.from_sign_magnitude(_word(table, servo.PRESENT_POSITION), servo.POSITION_SIGN)
    if low >= high or (least <= position <= most and not table[servo.TORQUE_ENABLE]):
        return {}
    return {
        servo.MIN_POSITION_LIMIT: min(low, least),
        servo.MAX_POSITION_LIMIT: max(high, most),
    }


def _configure(bus: Bus, calibration: Calibration, joint: int, max_speed: float) -> list[str]:
    name = JOINTS[joint]
    number = SERVO_IDS[name]
    try:
        _, table = bus.read(number, 0, servo.PRESENT_POSITION + 2)
        most = bus.read(number, servo.MAXIMUM_ACCELERATION, 1)[1]
    except NoAnswer as error:
        raise NoAnswer(f'{name}: {error}') from error
    model = _word(table, servo.MODEL)
    if model != servo.MODEL_NUMBER:
        raise CellError(
            f'{bus.path}: servo {number} ({name}) is model {model}, not an STS3215 '
            f'({servo.MODEL_NUMBER}); name the port of the arm'
        )
    wanted = wanted_registers(calibration, joint)
    if table[servo.PHASE] & servo.MULTI_TURN:
        wanted[servo.PHASE] = table[servo.PHASE] & ~servo.MULTI_TURN
    else:  # positions beyond a turn say nothing about the limits
        wanted |= _kept_limits(table, wanted)
    table = table.ljust(servo.MAXIMUM_ACCELERATION, b'\0') + most
    ram = {servo.MAXIMUM_ACCELERATION: MAX_ACCELERATION}
    left = _configure_ram(bus, name, table, ram | ram_registers(calibration, joint, max_speed))
    lines = [left] if left else []
    limit = wanted.get(
        servo.MAX_TORQUE_LIMIT, min(_word(table, servo.MAX_TORQUE_LIMIT), torque_limit(name))
    )
    present = _word(table, servo.TORQUE_LIMIT)
    eased = name == 'gripper' and table[servo.TORQUE_ENABLE] and present < limit  # see `grip`
    if present != limit and not eased:
        bus.write(number, servo.TORQUE_LIMIT, 2, limit)
    different = different_registers(table, wanted)
    if not different:
        return lines
    bus.write(number, servo.TORQUE_ENABLE, 1, 0)
    with unlocked(bus, number):
        for address, (size, value) in different.items():
            bus.write(number, address, size, value)
    for address, (size, value) in different.items():
        kept = int.from_bytes(bus.read(number, address, size)[1], 'little')
        if kept != value:
            raise CellError(
                f'{bus.path}: servo {number} ({name}): register {address} reads '
                f'{kept} after {value} was written; power the arm off and on'
            )
    if servo.PHASE in different:
        lines.append(
            f'{name}: it counted several turns (register 18, bit 4), and its angles could be off '
            'by whole turns; it counts one now'
        )
    return [*lines, f'{name}: registers {", ".join(map(str, sorted(different)))} written']
