"""A guided calibration in the terminal, with live bars."""

import select
import sys

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.table import Table

from so101_description.joints import JOINTS
from so101_node.errors import CellError, printable

from .bus import Bus
from .calibration_problems import WHOLE, Plausible
from .recording import FULL_TURN, Recording, save
from .servo import TICKS_PER_TURN
from .unfinished import mark_path, read_mark, remove_mark, restore_registers, write_mark

WIDTH = 40  # characters of a bar
PERIOD = 0.05  # s between two polls


def bar(low: int, at: int, high: int) -> str:
    """Draw a turn as a line: the range so far and the joint's position, in ticks."""

    def cell(ticks: int) -> int:
        return min(ticks * WIDTH // TICKS_PER_TURN, WIDTH - 1)

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


def calibrate(
    arm: str, bus: Bus, path: str, console: Console, plausible: Plausible = WHOLE
) -> None:
    """Ask for the middle, then for the ranges, then save.

    If it is interrupted, or fails, the servos get their old registers back. If the file was
    written by then, the driver writes it into them at its next start. If its process is killed,
    a mark beside the file remains (see `unfinished`). plausible: which ranges are complete.
    """
    if mark_path(path).exists():
        restore(arm, bus, path, console)
    recording = Recording(bus, plausible)
    try:
        _record(arm, recording, path, console)
        backup, lines = save(path, recording.table(), bus, plausible)
    except BaseException:
        recording.restore()
        remove_mark(path)
        raise
    remove_mark(path)
    console.print(f'saved: {path}' + (f' (before: {backup})' if backup else ''), soft_wrap=True)
    if lines:
        console.print('the servos keep it too:')
    for line in lines:
        console.print(f'  {line}', soft_wrap=True)


def restore(arm: str, bus: Bus, path: str, console: Console) -> None:
    """Give the servos the registers back that they had before a calibration that did not end."""
    mark = read_mark(path, arm)
    if mark is None:
        raise CellError(f'nothing to restore: there is no {mark_path(path)}')
    began, registers = mark
    restore_registers(bus, registers)
    remove_mark(path)
    console.print(
        f'the calibration of the {arm} from {printable(began, 40)} did not end; its servos have '
        'their old registers again',
        soft_wrap=True,
    )


def _record(arm: str, recording: Recording, path: str, console: Console) -> None:
    console.print(
        f'The {arm} has no torque now: hold it. Bring every joint to the middle of its range '
        '(arm half up, gripper half open), then press Enter.'
    )
    while not enter_pressed(1.0):
        pass
    write_mark(path, arm, recording.before)
    recording.home()
    with Live(ranges(recording), console=console, refresh_per_second=10) as live:
        while True:
            recording.poll_positions()
            live.update(ranges(recording))
            if enter_pressed(PERIOD):
                console.control(Control.move(y=-1))  # the terminal has shown the Enter
                problem = recording.problem()
                if not problem:
                    return
                live.console.print(f'not complete, keep moving: {problem}', soft_wrap=True)
