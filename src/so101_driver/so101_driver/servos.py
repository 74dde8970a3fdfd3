"""The six servos of one arm: last answers with their age, faults, torque.

Not thread-safe unless noted. Angles are rad in the order of JOINTS. Limits are in `setpoint`.
"""

from collections.abc import Callable, Iterable
import time

import numpy as np

from so101_description.joints import JOINTS, SERVO_IDS, Floats
from so101_node.errors import CellError

from . import servo
from .bus import Bus, PortLost
from .calibration import Calibration
from .configure import torque_limit
from .doubtful import Doubtful
from .eeprom import unlocked
from .faults import GRIPPER, Faults

SUSPICIOUS = 0.02  # s without an answer after which a servo may have restarted
HELD = servo.GOAL_TIME - servo.TORQUE_ENABLE  # bytes: torque, acceleration, goal
OUTSIDE = 8  # ticks (0.7 degrees) beyond its recorded range at which a joint is outside
SILENCE = 0.5  # s without an answer after which a servo counts as lost
TORQUE_TRIES = 2  # an overloaded servo may refuse once
IDS = tuple(SERVO_IDS[name] for name in JOINTS)
ALL = range(len(IDS))  # servos by their index in IDS


class Servos:
    """The servos of the arm `name`. log(text): called with a line for each new fault.

    silence: s without an answer after which a servo counts as lost.
    """

    def __init__(
        self,
        name: str,
        bus: Bus,
        calibration: Calibration,
        log: Callable[[str], object],
        silence: float = SILENCE,
    ):
        self.name, self.bus, self.calibration = name, bus, calibration
        self.faults = Faults()
        self.missed = np.zeros(len(IDS), np.int64)  # missing answers of each servo
        self.errors = [0] * len(IDS)  # last error byte
        self.answered_at = [0.0] * len(IDS)  # monotonic s
        self.stamps = [0] * len(IDS)  # the same, system time, ns
        self._doubtful = Doubtful(len(IDS))
        self._requested_at = 0.0, 0  # monotonic s, system time ns
        self._received_at = self._requested_at  # of the answers for `digest`
        self._lowest = [255] * len(IDS)  # 0.1 V, since the last call of take_lowest_voltage
        self._data = [b''] * len(IDS)
        self._voltage_limits = ['limits unknown'] * len(IDS)
        # decoded from the last answers on demand
        self._telemetry: servo.Telemetry | None = None
        self._measured: Floats | None = None
        self._log, self._silence = log, silence
        # ticks (6,): goals are clipped to these. They are the recorded ranges, and wider for a
        # joint that was outside of its range when its torque came on.
        self.low, self.high = calibration.range_min.copy(), calibration.range_max.copy()
        # Servos that were silent: a restart resets their limits, and a goal that is written to an
        # STS3215 switches its torque on. They get no goals until `restarts` has checked them.
        # servo -> monotonic s of its last answer
        self.suspects: dict[int, float] = {}
        # 0.1 % of the full drive, as set at the start; a restart resets them
        self.torque_limits = [torque_limit(joint) for joint in JOINTS]

    @property
    def telemetry(self) -> servo.Telemetry:
        """The last answer of each servo."""
        if self._telemetry is None:
            self._telemetry = servo.Telemetry(self._data)
        return self._telemetry

    def snapshot(self) -> servo.Telemetry | None:
        """Return `telemetry` for another thread; None until every servo has answered."""
        data = list(self._data)
        return servo.Telemetry(data) if all(data) else None

    def take_lowest_voltage(self) -> list[float]:
        """Return each servo's lowest voltage since the last call, V (25.5: no answer).

        Only one other thread may call it.
        """
        lowest, self._lowest = self._lowest, [255] * len(IDS)
        return [0.1 * volts for volts in lowest]

    def silent(self) -> str:
        """Return the joints whose servos have never answered."""
        return ', '.join(joint for joint, data in zip(JOINTS, self._data) if not data)

    def measured(self) -> Floats:
        """Return the joint angles (6,) rad of the last answers."""
        if self._measured is None:
            self._measured = self.calibration.to_rad(self.telemetry.position)
        return self._measured

    def forget(self) -> None:
        """Drop all measurements. Call it after a loss of the link, when they are outdated."""
        self._data = [b''] * len(IDS)
        self._doubtful.forget()
        self._telemetry = self._measured = None
        self.answered_at = [time.monotonic()] * len(IDS)
        self.suspects.clear()

    # --- cyclic ------------------------------------------------------------------------------
    def begin_read(self, before: bytes = b'') -> None:
        """Request the telemetry block of all servos. before: a packet to send first."""
        self._requested_at = time.monotonic(), time.time_ns()
        self.bus.begin_read(servo.BLOCK, servo.BLOCK_LENGTH, before)

    def collect(self) -> None:
        """Receive the answers to `begin_read`. The next read may begin before `digest`."""
        self.bus.receive()
        self._received_at = self._requested_at

    def digest(self) -> bool:
        """Use the answers that `collect` received; return whether any servo answered.

        Servos that did not answer, or doubtfully, keep their last values.
        """
        answers, (at, stamp) = self.bus.answers(), self._received_at
        self._telemetry = self._measured = None
        for i, number in enumerate(IDS):
            if number not in answers or self._doubtful(i, answers[number][1], at):
                self.missed[i] += 1
                if at - self.answered_at[i] > SUSPICIOUS:
                    self.suspect(i)
                continue
            self.errors[i], self._data[i] = answers[number]
            self.answered_at[i], self.stamps[i] = at, stamp
            if self._data[i][servo.VOLTAGE_IN_BLOCK] < self._lowest[i]:
                self._lowest[i] = self._data[i][servo.VOLTAGE_IN_BLOCK]
            if self.errors[i] & servo.VOLTAGE_ERROR:
                self.faults.voltage[i] = self._voltage(i)
            for fault in self.faults.update(i, self.errors[i], at):
                self._log(f'{self.name}: {JOINTS[i]}: {fault}')
        return bool(answers)

    def read_voltage_limits(self) -> None:
        """Read the limits beyond which the servos report a voltage fault."""
        for i, number in enumerate(IDS):
            high, low = self.bus.read(number, servo.MAX_VOLTAGE_LIMIT, 2)[1]
            self._voltage_limits[i] = f'limits {low * 0.1:.1f} to {high * 0.1:.1f} V'

    def _voltage(self, i: int) -> str:
        measured = self._data[i][servo.VOLTAGE_IN_BLOCK] * 0.1
        return f'{measured:.1f} V, {self._voltage_limits[i]}'

    def suspect(self, i: int) -> None:
        """Give a servo no goals until it was checked."""
        self.suspects.setdefault(i, self.answered_at[i])

    def read(self) -> bool:
        """Do `begin_read`, `collect` and `digest`."""
        self.begin_read()
        self.collect()
        return self.digest()

    def check_silence(self, now: float) -> None:
        """PortLost, which names the servos, if some have not answered for `silence` s."""
        if now - min(self.answered_at) <= self._silence:
            return
        silent = [
            f'servo {IDS[i]} ({JOINTS[i]})'
            for i, at in enumerate(self.answered_at)
            if now - at > self._silence
        ]
        raise PortLost(
            f'{self.bus.path}: {", ".join(silent)} of the {self.name} silent for '
            f'{self._silence:g} s; '
            'check plugs and power'
        )

    def setpoint_packet(self, angles: Floats) -> bytes:
        """Return the packet of a setpoint (6,) rad, clipped to `low` and `high`.

        It has no goals for `suspects`, and is empty if there are no others.
        """
        ticks = np.minimum(
            np.maximum(self.calibration.to_any_ticks(angles), self.low), self.high
        ).tolist()
        if not self.suspects:
            return self.bus.sync_write_packet(servo.GOAL_POSITION, ticks)
        sure = [i for i in ALL if i not in self.suspects]
        if not sure:
            return b''
        return self.bus.sync_write_packet(
            servo.GOAL_POSITION, [ticks[i] for i in sure], [IDS[i] for i in sure]
        )

    def write_setpoint(self, angles: Floats) -> None:
        """Send a `setpoint_packet`; servos do not answer."""
        self.bus.send(self.setpoint_packet(angles))

    def allow(self, angles: Floats) -> None:
        """Let goals reach these angles (6,) rad, more than OUTSIDE beyond the ranges or not."""
        ticks = self.calibration.to_any_ticks(angles)
        least, most = self.calibration.range_min, self.calibration.range_max
        self.low = np.where(ticks < least - OUTSIDE, ticks, least)
        self.high = np.where(ticks > most + OUTSIDE, ticks, most)

    def widen(self, angles: Floats) -> None:
        """Do `allow`, and widen the position limits of servos whose joints are outside.

        A servo clips its goal to its limits, so narrower limits would pull the joint. They are
        EEPROM, written only for a joint outside; the next start with the joint inside restores
        them. CellError if a servo does not keep them.
        """
        self.allow(angles)
        for i in np.flatnonzero(
            (self.low < self.calibration.range_min) | (self.high > self.calibration.range_max)
        ).tolist():
            if self.low[i] < 0 or self.high[i] >= servo.TICKS_PER_TURN:
                raise CellError(
                    f"{JOINTS[i]} is past the end of its servo's turn; move it back by hand"
                )
            self._widen_one(i, int(self.low[i]), int(self.high[i]))

    def _widen_one(self, i: int, least: int, most: int) -> None:
        address, number = servo.MIN_POSITION_LIMIT, IDS[i]
        low, high = np.frombuffer(self.bus.read(number, address, 4)[1], '<u2').tolist()
        if low <= least and most <= high:
            return
        self._log(
            f'{self.name}: {JOINTS[i]} is outside of its recorded range; it is held there and '
            'comes back slowly. If the joint can be there, calibrate the arm again'
        )
        limits = min(low, least), max(high, most)
        with unlocked(self.bus, number):
            for at, value in zip((address, servo.MAX_POSITION_LIMIT), limits):
                self.bus.write(number, at, 2, value)
        if tuple(np.frombuffer(self.bus.read(number, address, 4)[1], '<u2')) != limits:
            raise CellError(
                f'servo {number} ({JOINTS[i]}) does not keep its position limits {limits}; '
                'power the arm off and on'
            )

    # --- torque ------------------------------------------------------------------------------
    def read_torque_limits(self) -> None:
        """Take the torque limits from the servos, as `configure` has set them."""
        for i, number in enumerate(IDS):
            if i != GRIPPER:  # the gripper's may be lowered, see `grip`
                limit = self.bus.read(number, servo.TORQUE_LIMIT, 2)[1]
                self.torque_limits[i] = int.from_bytes(limit, 'little')

    def held(self) -> Floats:
        """Return the setpoints (6,) rad in the servos; NaN for a servo without torque."""
        ticks = np.full(len(IDS), np.nan)
        for i, number in enumerate(IDS):
            table = self.bus.read(number, servo.TORQUE_ENABLE, HELD)[1]
            if table[0]:
                ticks[i] = servo.to_position(table[2:4])
        return self.calibration.to_rad(ticks)

    def torque(self, on: bool, joints: Iterable[int] = ALL) -> list[str]:
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
