"""The STS3215 servo's control table and the meaning of its values.

Values are in the servo's units (ticks, 0.1 V, sign-magnitude); `calibration` converts to angles.
Source: Feetech's STS3215 memory table (protocol 0).
"""

from collections.abc import Iterable
from functools import cached_property
import struct

import numpy as np
import numpy.typing as npt

Ticks = npt.NDArray[np.int64]

MODEL_NUMBER = 777
TICKS_PER_TURN = 4096

# Control table. Addresses below 40 are EEPROM, which wears out and is writable only with LOCK 0.
FIRMWARE = 0  # major, minor
MODEL = 3
ID = 5
BAUD_RATE = 6
RETURN_DELAY = 7
MIN_POSITION_LIMIT = 9
MAX_POSITION_LIMIT = 11
MAX_VOLTAGE_LIMIT = 14  # 0.1 V; then MIN_VOLTAGE_LIMIT
MAX_TORQUE_LIMIT = 16
PHASE = 18
P_GAIN = 21
D_GAIN = 22
I_GAIN = 23
STARTUP_FORCE = 24  # least drive that starts the motor, 0.1 %
DEAD_ZONE_FORWARD = 26  # ticks around the goal without drive
DEAD_ZONE_BACK = 27
PROTECTION_CURRENT = 28
HOMING_OFFSET = 31
OPERATING_MODE = 33
OVERLOAD_TORQUE = 36
EEPROM_END = 40
TORQUE_ENABLE = 40
ACCELERATION = 41
GOAL_POSITION = 42
GOAL_TIME = 44
GOAL_VELOCITY = 46  # ticks/s, limit of the way to the goal; 0: none
TORQUE_LIMIT = 48  # of the full drive, 0.1 %; at power-on a copy of MAX_TORQUE_LIMIT
LOCK = 55
PRESENT_POSITION = 56
PRESENT_VOLTAGE = 62  # 0.1 V
BLOCK = 56  # the telemetry block: 56 to 70, in one sync read
BLOCK_LENGTH = 15
VOLTAGE_IN_BLOCK = PRESENT_VOLTAGE - BLOCK
# position, velocity, load, voltage, temperature, -, status, moving, -, current
_BLOCK_FIELDS = struct.Struct('<HHHBBBBBHH')
MAXIMUM_ACCELERATION = 85  # limits ACCELERATION; not in every memory table

MULTI_TURN = 16  # bit of PHASE: positions go beyond one turn; LeRobot clears it, too

POSITION_SIGN = VELOCITY_SIGN = CURRENT_SIGN = 15
LOAD_SIGN = 10
HOMING_SIGN = 11

VOLTAGE_ERROR = 1
ERROR_BITS = {
    VOLTAGE_ERROR: 'voltage',
    2: 'angle',
    4: 'overheat',
    8: 'overcurrent',
    32: 'overload',
}


def error_names(error: int) -> tuple[str, ...]:
    """Return the fault names of a status packet's error byte (or of the status register)."""
    return tuple(name for bit, name in ERROR_BITS.items() if error & bit)


def from_sign_magnitude(value: npt.ArrayLike, bit: int) -> Ticks:
    """Convert sign-magnitude word(s) with the sign in `bit` to signed integer(s)."""
    magnitude = np.asarray(value, np.int64) & ((1 << bit) - 1)
    return np.where(np.asarray(value) & (1 << bit), -magnitude, magnitude)


def to_position(data: bytes) -> int:
    """Convert the 2 bytes of a position register to ticks; negative ones in multi-turn mode."""
    word, sign = int.from_bytes(data, 'little'), 1 << POSITION_SIGN
    return word if word < sign else sign - word


def to_sign_magnitude(value: int, bit: int) -> int:
    """Convert an integer to a sign-magnitude word; ValueError if it does not fit."""
    if abs(value) >= 1 << bit:
        raise ValueError(f'{value} does not fit into {bit} bits and a sign')
    return value if value >= 0 else -value | 1 << bit


class Telemetry:
    """The telemetry blocks of n servos, 15 bytes each; each property converts its field once."""

    def __init__(self, blocks: Iterable[bytes]):
        (
            self._position,
            self._velocity,
            self._load,
            self._voltage,
            self._temperature,
            _,
            self._status,
            self._moving,
            _,
            self._current,
        ) = zip(*map(_BLOCK_FIELDS.unpack, blocks))

    @cached_property
    def position(self) -> Ticks:
        """(n,) int64, ticks."""
        return _signed(self._position, POSITION_SIGN)

    @cached_property
    def velocity(self) -> Ticks:
        """(n,) int64, ticks/s."""
        return _signed(self._velocity, VELOCITY_SIGN)

    @cached_property
    def load(self) -> npt.NDArray[np.float64]:
        """(n,) float64, share of the full drive, signed."""
        return _signed(self._load, LOAD_SIGN) * np.float64(1e-3)

    @property
    def voltage(self) -> npt.NDArray[np.float64]:
        """(n,) float64, V."""
        return np.array(self._voltage) * 0.1

    @property
    def temperature(self) -> npt.NDArray[np.uint8]:
        """(n,) uint8, degrees Celsius."""
        return np.array(self._temperature, np.uint8)

    @property
    def status(self) -> npt.NDArray[np.uint8]:
        """(n,) uint8, fault bits as in the error byte."""
        return np.array(self._status, np.uint8)

    @property
    def moving(self) -> npt.NDArray[np.bool_]:
        """(n,) bool."""
        return np.array(self._moving, np.bool_)

    @property
    def current(self) -> npt.NDArray[np.float64]:
        """(n,) float64, A (6.5 mA a unit)."""
        return _signed(self._current, CURRENT_SIGN) * np.float64(6.5e-3)


def _signed(words: Iterable[int], bit: int) -> Ticks:
    """Convert words as `from_sign_magnitude` does, but faster: for each cycle."""
    sign = 1 << bit
    return np.array([-(word & sign - 1) if word & sign else word & sign - 1 for word in words])
