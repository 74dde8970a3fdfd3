"""Guides a person through the two poses of `zero_check`, and writes the corrected file."""

import time

import numpy as np
from rich.console import Console
from rich.table import Table

from so101_description.joints import JOINTS, Floats
from so101_node.errors import CellError

from . import servo
from .bus import Bus
from .calibrate import enter_pressed
from .calibration import Calibration, calibration_of
from .calibration_file import read_calibration
from .calibration_warnings import tool_shift
from .recording import residuals, save
from .servos import IDS
from .zero_check import ACCURACY, CHECKED, corrected, corrections

POSES = (
    'Pose 1 of 2, folded: turn the arm straight ahead over its base. Push the upper arm back '
    'until it stops. Fold the fore-arm onto it until it stops. Hold it there and press Enter.',
    'Pose 2 of 2, level: hold the fore-arm parallel to the table and let the gripper point '
    'straight down. Press Enter.',
)
READINGS = 20
PAUSE = 0.02  # s between two readings
STILL = 12  # ticks (1 degree) that a joint may move while it is measured


def check_zero(arm: str, bus: Bus, path: str, yes: bool, console: Console) -> bool:
    """Measure both poses, show the corrections, write them with consent; return if all is well.

    yes: consent was given. CellError, and nothing written, if the measurement is not usable.
    """
    content = read_calibration(path)
    calibration = calibration_of(content, path)
    _require_same_homing(bus, calibration)
    for number in IDS:
        bus.write(number, servo.TORQUE_ENABLE, 1, 0)
    console.print(f'The {arm} has no torque now: hold it.')
    measured = [_pose(bus, calibration, text, console) for text in POSES]
    errors = corrections(*measured)
    console.print(_table(measured, errors))
    wrong = np.abs(errors) > ACCURACY
    if not wrong.any():
        console.print(f'all within {ACCURACY:.0f} degrees, as exactly as these poses tell')
        return True
    if not (yes or _consent(console)):
        console.print('nothing was written')
        return False
    backup, lines = save(path, corrected(content, calibration, errors), bus)
    console.print(f'saved: {path} (before: {backup})', soft_wrap=True)
    for line in lines:
        console.print(line, soft_wrap=True)
    return True


def _require_same_homing(bus: Bus, calibration: Calibration) -> None:
    """Raise CellError if positions of the servos do not mean what the file says."""
    different = np.flatnonzero(residuals(bus, calibration)[:, 0])
    turning = [
        i
        for i, number in enumerate(IDS)
        if bus.read(number, servo.PHASE, 1)[1][0] & servo.MULTI_TURN
    ]
    joints = [JOINTS[i] for i in sorted({*different.tolist(), *turning})]
    if joints:
        raise CellError(
            f'{", ".join(joints)}: the servos have another homing than {calibration.path}; start '
            'the driver once, which writes the file into them, or calibrate the arm'
        )


def _pose(bus: Bus, calibration: Calibration, text: str, console: Console) -> Floats:
    """Ask for a pose until the joints are still in it; return their mean angles, (6,) rad."""
    console.print(text)
    while True:
        while not enter_pressed(1.0):
            pass
        rows = []
        for _ in range(READINGS):
            answers = bus.sync_read(servo.BLOCK, 2)
            if all(number in answers for number in IDS):
                rows.append([servo.to_position(answers[number][1]) for number in IDS])
            time.sleep(PAUSE)
        if len(rows) < READINGS // 2:
            raise CellError(f'{bus.path}: servos do not answer; check plugs and power')
        ticks = np.array(rows)
        moved = ticks.max(axis=0) - ticks.min(axis=0)
        if moved.max() <= STILL:
            return calibration.to_rad(ticks.mean(axis=0))
        console.print(f'{JOINTS[moved.argmax()]} moved: hold the arm still and press Enter again')


def _table(measured: list[Floats], errors: Floats) -> Table:
    table = Table(title='zeros, in degrees')
    for heading in ('joint', 'folded', 'level', 'reads too high by', 'tool, mm', 'correction'):
        table.add_column(heading, justify='left' if heading == 'joint' else 'right')
    folded, level = np.degrees(measured).round(1) + 0.0  # + 0.0: never -0.0
    shown = errors.round(1) + 0.0
    for i, joint in enumerate(JOINTS):
        row = [joint, f'{folded[i]:.1f}', f'{level[i]:.1f}']
        if joint not in CHECKED:
            table.add_row(*row, '', '', 'not told by these poses')
            continue
        wrong = abs(errors[i]) > ACCURACY
        table.add_row(
            *row,
            f'{shown[i]:+.1f}',
            f'{tool_shift(i, float(np.radians(errors[i]))):.0f}',
            f'{-errors[i]:+.1f}' if wrong else f'none (within {ACCURACY:.0f})',
        )
    return table


def _consent(console: Console) -> bool:
    console.print('Write the corrected file, and keep the old one beside it? [y/N]')
    try:
        return console.input().strip().lower() in ('y', 'yes')
    except EOFError:
        return False
