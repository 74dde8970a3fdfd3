"""Records a calibration of one arm as LeRobot does: homing in the middle, then each joint's range.

Free of terminal code, which is in `calibrate`. Positions are ticks, in the order of JOINTS.
"""

import json
from pathlib import Path
import shutil
import time

import numpy as np

from so101_description.joints import JOINTS
from so101_node.durable import replace_file, writing
from so101_node.errors import CellError

from . import servo
from .bus import Bus
from .calibration import Calibration, calibration_of, load_calibration
from .calibration_problems import (
    DEFAULT,
    FIELDS,
    MAX_HOMING,
    MIDDLE,
    MODEL_SPAN,
    WHOLE,
    Plausible,
    span_problem,
)
from .configure import configure
from .doubtful import Doubtful
from .eeprom import unlocked
from .identity import read_identity
from .options import DriverOptions
from .servo import Ticks
from .servos import IDS
from .unfinished import read_registers, restore_registers

FULL_TURN = JOINTS.index('wrist_roll')  # has no stops: its range is a full turn


class Recording:
    """The servos of one arm, without torque, while a person moves them.

    plausible: which ranges are complete.
    """

    def __init__(self, bus: Bus, plausible: Plausible = WHOLE):
        self._bus, self._plausible = bus, plausible
        self.before = read_registers(bus)
        for number in IDS:
            bus.write(number, servo.TORQUE_ENABLE, 1, 0)
        self.homing = np.zeros(len(IDS), np.int64)
        self._doubtful = Doubtful(len(IDS))
        self.position = self.low = self.high = np.zeros(len(IDS), np.int64)

    def home(self) -> None:
        """Write homing offsets that make the present pose MIDDLE, and limits of a full turn."""
        for i, number in enumerate(IDS):
            phase = self.before[JOINTS[i]][servo.PHASE]
            if phase & servo.MULTI_TURN:
                self._write(number, servo.PHASE, phase & ~servo.MULTI_TURN, 1)
            self._write(number, servo.HOMING_OFFSET, 0)
            self._write(number, servo.MIN_POSITION_LIMIT, 0)
            self._write(number, servo.MAX_POSITION_LIMIT, servo.TICKS_PER_TURN - 1)
            self.homing[i] = self._present(number) - MIDDLE
            if abs(self.homing[i]) > MAX_HOMING:
                self.homing[i] -= int(np.sign(self.homing[i])) * servo.TICKS_PER_TURN
            self._write(
                number,
                servo.HOMING_OFFSET,
                servo.to_sign_magnitude(int(self.homing[i]), servo.HOMING_SIGN),
            )
        for i, number in enumerate(IDS):
            data = self._bus.read(number, servo.BLOCK, 2)[1]
            self._doubtful(i, data, time.monotonic())
            self.position[i] = servo.to_position(data)
        away = np.abs(self.position - MIDDLE)
        if away.max() > 20:
            raise CellError(
                f'{JOINTS[away.argmax()]}: reads {self.position[away.argmax()]} after '
                f'homing, not {MIDDLE}; keep the arm still and calibrate again'
            )
        self.low, self.high = self.position.copy(), self.position.copy()

    def restore(self) -> None:
        """Write the registers back that `home` changed; CellError names servos that fail."""
        restore_registers(self._bus, self.before)

    def _write(self, number: int, address: int, value: int, size: int = 2) -> None:
        with unlocked(self._bus, number):
            self._bus.write(number, address, size, value)

    def _present(self, number: int) -> int:
        return servo.to_position(self._bus.read(number, servo.BLOCK, 2)[1])

    def poll_positions(self) -> None:
        """Read the positions and extend the ranges.

        A servo that does not answer, or doubtfully, is ignored: a wrong angle would stay in its
        range.
        """
        at = time.monotonic()
        for number, (_, data) in self._bus.sync_read(servo.BLOCK, 2).items():
            i = IDS.index(number)
            if not self._doubtful(i, data, at):
                self.position[i] = servo.to_position(data)
        self.low = np.minimum(self.low, self.position)
        self.high = np.maximum(self.high, self.position)

    def problem(self) -> str:
        """Return why the ranges are not complete; '' if they are.

        CellError if a joint passed the end of its tick range: only a new homing corrects that.
        """
        problems = {
            joint: f'its range is {problem[0]}, allowed: {problem[1]}'
            for i, joint in enumerate(JOINTS)
            if i != FULL_TURN
            and (problem := span_problem(joint, int(self.high[i] - self.low[i]), self._plausible))
        }
        for i, joint in enumerate(JOINTS):
            if joint in problems and self.high[i] - self.low[i] > MODEL_SPAN[i]:
                raise CellError(
                    f'{joint}: {problems[joint]}: it was not near its middle at the '
                    'start; calibrate again; nothing was saved'
                )
        return '; '.join(f'{joint}: {problem}' for joint, problem in problems.items())

    def table(self) -> dict[str, dict[str, int]]:
        """Return the content of a calibration file in LeRobot's format."""
        low, high = self.low.copy(), self.high.copy()
        low[FULL_TURN], high[FULL_TURN] = 0, servo.TICKS_PER_TURN - 1
        rows = zip(IDS, [0] * len(IDS), self.homing.tolist(), low.tolist(), high.tolist())
        return {joint: dict(zip(FIELDS, row)) for joint, row in zip(JOINTS, rows)}


def save(
    path: str, table: dict[str, dict[str, int]], bus: Bus, plausible: Plausible = DEFAULT
) -> tuple[str, list[str]]:
    """Check `table`, back the old file up, write the new one and configure the servos.

    CellError, and the old file stays, if the table is implausible or the disk is full. Returns
    (backup path or '', a line for each servo that was written).
    """
    target, backup = Path(path), ''
    calibration_of(table, str(target), plausible)  # raises if it is implausible
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            backup = f'{target}.{time.strftime("%Y%m%d-%H%M%S")}'
            shutil.copy2(target, backup)
        replace_file(target, json.dumps(table, indent=4) + '\n')
    max_speed = DriverOptions().max_speed  # as the driver's first start sets it
    return backup, configure(bus, load_calibration(path, plausible), max_speed)


def residuals(bus: Bus, calibration: Calibration) -> Ticks:
    """Return EEPROM minus file, (6, 3) ticks: homing offset, range_min, range_max."""
    files = np.stack([calibration.homing_offset, calibration.range_min, calibration.range_max], 1)
    return np.array(read_identity(bus)[0]) - files
