"""A guided calibration in the terminal, with live bars."""

import select
import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table

from so101_description.joints import JOINTS
from so101_node.errors import CellError

from .bus import Bus
from .calibration import load_calibration
from .recording import FULL_TURN, Recording, residuals, save
from .servo import BLOCK, TICKS_PER_TURN
from .servos import IDS

WIDTH = 40  # characters of a bar
PERIOD = 0.05  # s between two polls


def bar(low: int, at: int, high: int) -> str:
    """Draw a turn as a line: the range so far and the joint's position, in ticks."""

    def cell(ticks):
        return min(int(ticks) * WIDTH // TICKS_PER_TURN, WIDTH - 1)

    line = ['·'] * WIDTH
    line[cell(low) : cell(high) + 1] = '━' * (cell(high) + 1 - cell(low))
    line[cell(at)] = '●'
    return ''.join(line)


def ranges(recording: Recording) -> Table:
    """Return the table of ranges for the live display."""
    table = Table(title='move every joint through its whole range, then press Enter')
    for heading in ('joint', '0 to 4095'):
        table.add_column(heading)
    for heading in ('min', 'now', 'max', 'degrees'):
        table.add_column(heading, justify='right')
    for i, joint in enumerate(JOINTS):
        low, at, high = (int(a[i]) for a in (recording.low, recording.position, recording.high))
        if i == FULL_TURN:
            table.add_row(joint, bar(low, at, high), '', str(at), '', 'full turn')
        else:
            table.add_row(
                joint,
                bar(low, at, high),
                str(low),
                str(at),
                str(high),
                f'{(high - low) * 360 / TICKS_PER_TURN:.0f}',
            )
    return table


def enter_pressed(wait: float) -> bool:
    """Return whether a line arrived within `wait` s."""
    if not select.select([sys.stdin], [], [], wait)[0]:
        return False
    if not sys.stdin.readline():
        raise CellError('calibration ended without Enter; nothing was saved')
    return True


def calibrate(arm: str, bus: Bus, path: str, console: Console) -> None:
    """Ask for the middle, then for the ranges, then save."""
    recording = Recording(bus)
    console.print(
        f'The {arm} has no torque now: hold it. Bring every joint to the middle of its range '
        '(arm half up, gripper half open), then press Enter.'
    )
    while not enter_pressed(1.0):
        pass
    recording.home()
    with Live(ranges(recording), console=console, refresh_per_second=10) as live:
        while True:
            recording.poll_positions()
            live.update(ranges(recording))
            if enter_pressed(PERIOD):
                problem = recording.problem()
                if not problem:
                    break
                live.console.print(f'not complete, keep moving: {problem}', soft_wrap=True)
    backup, lines = save(path, recording.table(), bus)
    console.print(f'saved: {path}' + (f' (before: {backup})' if backup else ''), soft_wrap=True)
    for line in lines:
        console.print(line, soft_wrap=True)


def check(bus: Bus, path: str, console: Console) -> bool:
    """Show the differences between file and servos; return whether they agree."""
    calibration = load_calibration(path)
    table = Table(title='servo minus file, ticks')
    for heading in ('joint', 'homing', 'min', 'max', 'now, deg'):
        table.add_column(heading, justify='left' if heading == 'joint' else 'right')
    different = residuals(bus, calibration)
    for i, joint in enumerate(JOINTS):
        ticks = int.from_bytes(bus.read(IDS[i], BLOCK, 2)[1], 'little') & 0x7FFF
        degrees = (ticks - calibration.zero[i]) * calibration.scale[i] * 180 / 3.141593
        table.add_row(
            joint, *(f'{v:+d}' if v else '0' for v in different[i].tolist()), f'{degrees:.1f}'
        )
    console.print(table)
    agree = not different.any()
    console.print(
        'servos and file agree'
        if agree
        else 'servos and file differ: the driver will write the file into the servos'
    )
    return agree
