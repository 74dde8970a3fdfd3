"""One emulated STS3215 servo: its control table, and the effects of reading and writing it.

The simulated joint sets `sensed` and follows `torque_on` and `goal`. Positions on the joint's side
are *encoder* ticks (continuous, 4096 per turn). Positions on the bus are encoder ticks minus the
homing offset, as in the servo. Source of addresses and behaviour: Feetech's memory table of the
STS series.
"""

import math
import struct
import time

from .protection import (
    CURRENT_UNIT,
    OVERLOAD_ERROR,
    OVERLOAD_TORQUE,
    PROTECTION_CURRENT,
    PROTECTION_TIME,
    PROTECTIVE_TORQUE,
    Protection,
)
from .sensed import Sensed, from_sign_magnitude, sign_magnitude

# EEPROM
MODEL_NUMBER, ID, BAUD_RATE, RETURN_DELAY, RESPONSE_LEVEL = 3, 5, 6, 7, 8
MIN_POSITION, MAX_POSITION = 9, 11
MAX_TEMPERATURE, MAX_VOLTAGE, MIN_VOLTAGE, MAX_TORQUE = 13, 14, 15, 16
PHASE, UNLOADING, LED_ALARM, P_GAIN, D_GAIN, I_GAIN, STARTUP_FORCE = 18, 19, 20, 21, 22, 23, 24
DEAD_ZONE, RESOLUTION, HOMING_OFFSET, MODE = 26, 30, 31, 33
# SRAM
TORQUE_ENABLE, ACCELERATION, GOAL_POSITION, GOAL_TIME, GOAL_VELOCITY = 40, 41, 42, 44, 46
TORQUE_LIMIT, LOCK = 48, 55
PRESENT = 56  # 56 to 70: all telemetry, read only
STATUS = 65
FACTORY = 80  # 80 to 86: writable at any time and kept at power-off; 85: Maximum_Acceleration
MAX_ACCELERATION = 85
TABLE_SIZE = 87
SET_MIDDLE = 128  # written to TORQUE_ENABLE: the present position becomes MIDDLE
MIDDLE = 2048
MULTI_TURN = 16  # bit of PHASE: positions are not reduced to one turn
VOLTAGE_LIMITS = {12.0: (140, 40), 7.4: (84, 40)}  # type -> registers 14 and 15, 0.1 V
FACTORY_RETURN_DELAY = 250  # 500 us
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)
TICKS_PER_TURN = 4096
MAX_SPEED = 3000  # ticks/s, no load (4.7 rad/s)
ACCELERATION_UNIT = 100  # ticks/s^2
UNLIMITED = 254  # the largest acceleration; here the motor's torque limits first

# bits of the error byte, in addition to those of `protection`
VOLTAGE_ERROR, ANGLE_ERROR, OVERHEAT_ERROR = 1, 2, 4


class Sts3215:
    """One servo. The joint's thread may set `sensed` at any time.

    rated: V, the type of the servo (a key of VOLTAGE_LIMITS); it does not change the motor.
    """

    def __init__(
        self,
        servo_id: int,
        sensed: Sensed,
        homing_offset: int = 0,
        range_min: int = 0,
        range_max: int = 4095,
        rated: float = 12.0,
    ):
        self._sensed = sensed
        self.faults = 0  # injected error bits
        self.powered = True
        self.sag, self.heat = 0.0, 0.0  # V below and degrees above the sensed values
        self.eeprom_writes = 0  # wear
        self._refusals = 0
        self.memory = bytearray(TABLE_SIZE)
        self.protection = Protection(self.memory)
        self._waiting: tuple[int, bytes] | None = None  # a REG_WRITE before its ACTION
        for address, data in (
            (0, (3, 10)),
            (MODEL_NUMBER, (0x09, 0x03)),
            (ID, (servo_id,)),
            (RESPONSE_LEVEL, (1,)),
            (MAX_TEMPERATURE, (70,)),
            (MAX_VOLTAGE, VOLTAGE_LIMITS[rated]),
            (PHASE, (12,)),
            (UNLOADING, (44,)),
            (LED_ALARM, (47,)),
            (P_GAIN, (32,)),
            (D_GAIN, (32,)),
            (STARTUP_FORCE, (16,)),
            (DEAD_ZONE, (1, 1)),
            (RESOLUTION, (1,)),
            (PROTECTIVE_TORQUE, (20,)),
            (PROTECTION_TIME, (200,)),
            (OVERLOAD_TORQUE, (80,)),
            (37, (10, 200, 10)),
            (LOCK, (1,)),
            (85, (254,)),
        ):
            self.memory[address : address + len(data)] = bytes(data)
        for address, value in (
            (MIN_POSITION, range_min),
            (MAX_POSITION, range_max),
            (MAX_TORQUE, 1000),
            (PROTECTION_CURRENT, 500),
            (HOMING_OFFSET, sign_magnitude(homing_offset, 11)),
        ):
            self._set_word(address, value)
        self._start()

    @classmethod
    def fresh(cls, position: float = MIDDLE, rated: float = 12.0) -> 'Sts3215':
        """Return a servo as it leaves the factory: id 1, 1 Mbaud. position: encoder ticks."""
        servo = cls(1, Sensed(position, voltage=rated), rated=rated)
        servo.memory[RETURN_DELAY] = FACTORY_RETURN_DELAY
        return servo

    def _start(self) -> None:
        memory = self.memory
        memory[TORQUE_ENABLE:PRESENT] = bytes(PRESENT - TORQUE_ENABLE)  # RAM
        memory[LOCK] = 1
        memory[TORQUE_LIMIT : TORQUE_LIMIT + 2] = memory[MAX_TORQUE : MAX_TORQUE + 2]
        self.protection.reset()
        self._set_word(GOAL_POSITION, sign_magnitude(self.present_position, 15))
        self._turn()

    # --- towards the joint -------------------------------------------------------------------
    @property
    def sensed(self) -> Sensed:
        """The present state of the joint."""
        return self._sensed

    @sensed.setter
    def sensed(self, sensed: Sensed) -> None:
        self._sensed = sensed
        if self.torque_on:
            self.protection.update(sensed.load, sensed.current, time.monotonic())

    @property
    def torque_on(self) -> bool:
        """Whether the motor has torque."""
        return self.memory[TORQUE_ENABLE] == 1 and self.powered

    @property
    def goal(self) -> float:
        """The goal position, in encoder ticks of the joint's present turn."""
        return self._goal

    @property
    def speed_limit(self) -> float:
        """Speed limit in ticks/s; a goal velocity of 0 means the motor's maximum."""
        limit = from_sign_magnitude(self.word(GOAL_VELOCITY), 15)
        return min(abs(limit), MAX_SPEED) if limit else MAX_SPEED

    @property
    def acceleration(self) -> float:
        """Limit of the acceleration in ticks/s^2; of a register, 0 means no limit."""
        limit = min(
            self.memory[ACCELERATION] or UNLIMITED, self.memory[MAX_ACCELERATION] or UNLIMITED
        )
        return math.inf if limit >= UNLIMITED else limit * float(ACCELERATION_UNIT)

    @property
    def torque_limit(self) -> float:
        """Fraction of the stall torque that the motor may use."""
        return self.protection.drive(min(self.word(TORQUE_LIMIT), 1000) / 1000.0)

    def overload(self, refusals: int = 0) -> None:
        """Latch an overload until torque is switched off. refusals: how many such writes fail."""
        self.protection.latched |= OVERLOAD_ERROR
        self._refusals = refusals

    def power_cycle(self, on: bool) -> None:
        """Switch the supply: SRAM is reset, EEPROM is kept."""
        if on:
            self._start()
        self.powered = on

    # --- towards the bus ---------------------------------------------------------------------
    @property
    def id(self) -> int:
        """Address on the bus."""
        return self.memory[ID]

    @property
    def baud_rate(self) -> int:
        """Baud rate of the servo."""
        return BAUD_RATES[min(self.memory[BAUD_RATE], 7)]

    @property
    def return_delay(self) -> float:
        """Seconds between request and answer, without the transmission time."""
        return self.memory[RETURN_DELAY] * 2e-6

    @property
    def answers_writes(self) -> bool:
        """Whether the servo answers instructions other than PING and READ."""
        return self.memory[RESPONSE_LEVEL] != 0

    @property
    def present_position(self) -> int:
        """Position on the bus, ticks 0 .. 4095; of any size and sign in multi-turn mode."""
        position = round(self.sensed.position - self._offset())
        return position if self._multi_turn else position % TICKS_PER_TURN

    @property
    def _multi_turn(self) -> bool:
        return bool(self.memory[PHASE] & MULTI_TURN)

    @property
    def error(self) -> int:
        """The error byte of every status packet."""
        sensed, memory, error = self.sensed, self.memory, self.faults
        if not memory[MIN_VOLTAGE] <= (sensed.voltage - self.sag) * 10 <= memory[MAX_VOLTAGE]:
            error |= VOLTAGE_ERROR
        if sensed.temperature + self.heat > memory[MAX_TEMPERATURE]:
            error |= OVERHEAT_ERROR
        return error | self.protection.latched

    def read(self, address: int, length: int) -> bytes:
        """Return `length` bytes of the table from `address`; zeros beyond its end."""
        if address + length > PRESENT and address < PRESENT + 15:
            self.memory[PRESENT : PRESENT + 15] = self._present()
        return bytes(self.memory[address : address + length]).ljust(length, b'\0')

    def write(self, address: int, data: bytes) -> None:
        """Write as the servo does: it ignores locked and read-only registers silently."""
        memory = self.memory
        if address == TORQUE_ENABLE and data[:1] == b'\0':
            if self.protection.latched and self._refusals:
                self._refusals -= 1
                return
            self.protection.reset()
        if address == TORQUE_ENABLE and data == bytes((SET_MIDDLE,)):
            self._set_middle()
            return
        if address < TORQUE_ENABLE and not memory[LOCK]:
            self.eeprom_writes += 1
        for offset, value in enumerate(data):
            at = address + offset
            locked = at < TORQUE_ENABLE and memory[LOCK]
            if at < ID or PRESENT <= at < FACTORY or at >= TABLE_SIZE or locked:
                continue
            memory[at] = value
        end = address + len(data)
        if address <= GOAL_POSITION + 1 and end > GOAL_POSITION:
            low, high = self.word(MIN_POSITION), self.word(MAX_POSITION)
            goal = from_sign_magnitude(self.word(GOAL_POSITION), 15)
            if low < high:  # both are 0 in multi-turn mode
                goal = min(max(goal, low), high)
            self._set_word(GOAL_POSITION, sign_magnitude(goal, 15))
            self._turn()
            memory[TORQUE_ENABLE] = 1
        elif address <= HOMING_OFFSET + 1 and end > HOMING_OFFSET:
            self._turn()

    def _set_middle(self) -> None:
        """Change the homing offset, whatever LOCK says, so that the position reads MIDDLE."""
        self.eeprom_writes += 1
        offset = (round(self.sensed.position) - MIDDLE) % TICKS_PER_TURN
        if offset >= TICKS_PER_TURN // 2:
            offset -= TICKS_PER_TURN
        self._set_word(HOMING_OFFSET, sign_magnitude(offset, 11))
        self._turn()

    def reg_write(self, address: int, data: bytes) -> None:
        """Store a write until `action`."""
        self._waiting = (address, data)
        self.memory[64] = 1

    def action(self) -> None:
        """Execute the stored write, if there is one."""
        if self._waiting:
            self.write(*self._waiting)
        self._waiting = None
        self.memory[64] = 0

    def word(self, address: int) -> int:
        """Return two bytes of the table, little endian."""
        return self.memory[address] | self.memory[address + 1] << 8

    def _set_word(self, address: int, value: int) -> None:
        self.memory[address] = value & 0xFF
        self.memory[address + 1] = value >> 8

    def _offset(self) -> int:
        return from_sign_magnitude(self.word(HOMING_OFFSET), 11)

    def _turn(self) -> None:
        """Set the goal in encoder ticks, in the joint's present turn."""
        offset = self._offset()
        turn = 0 if self._multi_turn else round(self.sensed.position - offset) // TICKS_PER_TURN
        goal = from_sign_magnitude(self.word(GOAL_POSITION), 15)
        self._goal = goal + offset + turn * TICKS_PER_TURN

    def _present(self) -> bytes:
        sensed = self.sensed
        return struct.pack(
            '<HHHBBBBBHH',
            sign_magnitude(self.present_position, 15),
            sign_magnitude(sensed.velocity, 15),
            sign_magnitude(sensed.load * 1000, 10),
            int((sensed.voltage - self.sag) * 10 + 0.5),
            int(sensed.temperature + self.heat + 0.5),
            self.memory[64],
            self.error,
            abs(sensed.velocity) > 10,
            0,
            sign_magnitude(sensed.current / CURRENT_UNIT, 15),
        )
