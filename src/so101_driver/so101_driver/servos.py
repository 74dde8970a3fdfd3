"""The six servos of one arm: last answers with their age, faults, torque.

Not thread-safe unless noted. Angles are rad in the order of JOINTS. Limits are in `setpoint`.
"""

import time

import numpy as np

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus
from .calibration import Calibration
from .faults import Faults

TORQUE_TRIES = 2  # an overloaded servo may refuse once
IDS = tuple(SERVO_IDS[name] for name in JOINTS)
ALL = range(len(IDS))  # servos by their index in IDS


class Servos:
    """The servos of the arm `name`. log(text): called with a line for each new fault."""

    def __init__(self, name: str, bus: Bus, calibration: Calibration, log):
        self.name, self.bus, self.calibration = name, bus, calibration
        self.faults = Faults()
        self.missed = np.zeros(len(IDS), np.int64)  # missing answers of each servo
        self.errors = [0] * len(IDS)  # last error byte
        self.answered_at = [0.0] * len(IDS)  # monotonic s
        self.stamps = [0] * len(IDS)  # the same, system time, ns
        self._requested_at = 0.0, 0  # monotonic s, system time ns
        self._lowest = [255] * len(IDS)  # 0.1 V, since the last call of take_lowest_voltage
        self._data = [b''] * len(IDS)
        # decoded from the last answers on demand
        self._telemetry: servo.Telemetry | None = None
        self._measured: np.ndarray | None = None
        self._log = log

    @property
    def telemetry(self) -> servo.Telemetry:
        """The last answer of each servo."""
        if self._telemetry is None:
            data = np.frombuffer(b''.join(self._data), np.uint8)
            self._telemetry = servo.Telemetry(data.reshape(len(IDS), servo.BLOCK_LENGTH))
        return self._telemetry

    def snapshot(self) -> servo.Telemetry | None:
        """Return `telemetry` for another thread; None until every servo has answered."""
        data = list(self._data)
        if not all(data):
            return None
        return servo.Telemetry(
            np.frombuffer(b''.join(data), np.uint8).reshape(len(IDS), servo.BLOCK_LENGTH)
        )

    def take_lowest_voltage(self) -> list[float]:
        """Return each servo's lowest voltage since the last call, V (25.5: no answer).

        Only one other thread may call it.
        """
        lowest, self._lowest = self._lowest, [255] * len(IDS)
        return [0.1 * volts for volts in lowest]

    def silent(self) -> str:
        """Return the joints whose servos have never answered."""
        return ', '.join(joint for joint, data in zip(JOINTS, self._data) if not data)

    def measured(self) -> np.ndarray:
        """Return the joint angles (6,) rad of the last answers."""
        if self._measured is None:
            self._measured = self.calibration.to_rad(self.telemetry.position)
        return self._measured

    def forget(self) -> None:
        """Drop all measurements. Call it after a loss of the link, when they are outdated."""
        self._data = [b''] * len(IDS)
        self._telemetry = self._measured = None
        self.answered_at = [time.monotonic()] * len(IDS)

    # --- cyclic ------------------------------------------------------------------------------
    def begin_read(self, before: bytes = b'') -> None:
        """Request the telemetry block of all servos. before: a packet to send first."""
        self._requested_at = time.monotonic(), time.time_ns()
        self.bus.begin_read(servo.BLOCK, servo.BLOCK_LENGTH, before)

    def finish_read(self) -> bool:
        """Collect the answers; return whether any servo answered.

        Servos that did not answer keep their last values.
        """
        answers, (at, stamp) = self.bus.finish_read(), self._requested_at
        self._telemetry = self._measured = None
        for i, number in enumerate(IDS):
            if number not in answers:
                self.missed[i] += 1
                continue
            self.errors[i], self._data[i] = answers[number]
            self.answered_at[i], self.stamps[i] = at, stamp
            if self._data[i][servo.VOLTAGE_IN_BLOCK] < self._lowest[i]:
                self._lowest[i] = self._data[i][servo.VOLTAGE_IN_BLOCK]
            for fault in self.faults.update(i, self.errors[i], at):
                self._log(f'{self.name}: {JOINTS[i]}: {fault}')
        return bool(answers)

    def read(self) -> bool:
        """Do `begin_read` and `finish_read`."""
        self.begin_read()
        return self.finish_read()

    def setpoint_packet(self, angles: np.ndarray) -> bytes:
        """Return the packet of a setpoint (6,) rad, clamped to the calibrated range."""
        return self.bus.sync_write_packet(
            servo.GOAL_POSITION, self.calibration.to_ticks(angles).tolist()
        )

    def write_setpoint(self, angles: np.ndarray) -> None:
        """Send a setpoint (6,) rad, clamped to the calibrated range; servos do not answer."""
        self.bus.sync_write(servo.GOAL_POSITION, self.calibration.to_ticks(angles).tolist())

    # --- torque ------------------------------------------------------------------------------
    def held(self) -> np.ndarray:
        """Return the setpoints (6,) rad in the servos; NaN for a servo without torque."""
        ticks = np.full(len(IDS), np.nan)
        for i, number in enumerate(IDS):
            table = self.bus.read(number, servo.TORQUE_ENABLE, 4)[1]
            if table[0]:
                ticks[i] = servo.from_sign_magnitude(table[2] | table[3] << 8, servo.POSITION_SIGN)
        return self.calibration.to_rad(ticks)

    def torque(self, on: bool, joints=ALL) -> list[str]:
        """Switch the torque of each servo; return a line for each that did not obey."""
        problems = []
        for i in joints:
            for _ in range(TORQUE_TRIES):
                problem = self._torque_one(IDS[i], on)
                if not problem:
                    break
            else:
                problems.append(
                    f'{self.name}: {JOINTS[i]}: torque {"on" if on else "off"}: {problem}'
                )
        return problems

    def _torque_one(self, number: int, on: bool) -> str:
        try:
            self.bus.write(number, servo.TORQUE_ENABLE, 1, int(on))
            error, data = self.bus.read(number, servo.TORQUE_ENABLE, 1)
        except CellError as problem:
            return str(problem)
        faults = ', '.join(servo.error_names(error)) or 'no fault shown'
        return '' if data[0] == on else f'refused ({faults})'
