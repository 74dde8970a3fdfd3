"""The mark of a calibration that has begun: FILE.unfinished, with the servos' old registers.

A calibration writes it before it changes the first register, and removes it at its end. If its
process is killed, the mark stays, and the servos have a homing that no file has. The next
calibration, `./cell calibrate --restore` or the driver's next start corrects that.
"""

from dataclasses import dataclass
import json
from pathlib import Path
import time

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.data_files import read_data
from so101_node.durable import replace_file, sync, writing
from so101_node.errors import CellError
from so101_node.foreign_files import reason
from so101_node.refusals import short

from . import servo
from .bus import Bus
from .eeprom import unlocked

# EEPROM registers that a calibration changes before it is saved, with their sizes in bytes
CHANGED = {
    servo.MIN_POSITION_LIMIT: 2,
    servo.MAX_POSITION_LIMIT: 2,
    servo.PHASE: 1,
    servo.HOMING_OFFSET: 2,
}
Registers = dict[str, dict[int, int]]  # joint -> {address of CHANGED: unsigned value}


@dataclass(frozen=True)
class Mark:
    """The content of a mark. began: date and time of the calibration.

    registers: `Registers`, with the addresses as texts.
    """

    arm: str
    began: str
    registers: dict[str, dict[str, int]]


def mark_path(path: str) -> Path:
    """Return the path of the mark of a calibration file."""
    return Path(f'{path}.unfinished')


def write_mark(path: str, arm: str, registers: Registers) -> None:
    """Write the mark of a calibration file, so that it survives a power cut; or CellError."""
    target = mark_path(path)
    content = {'arm': arm, 'began': time.strftime('%Y-%m-%d %H:%M'), 'registers': registers}
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, json.dumps(content, indent=1) + '\n')


def read_mark(path: str, arm: str) -> tuple[str, Registers] | None:
    """Return (when it began, old registers) of the mark of an arm's calibration file.

    None if there is no mark; CellError if it is damaged or of the other arm.
    """
    target = mark_path(path)
    if not target.exists():
        return None
    remedy = f'calibrate the arm again after you have deleted {target}'
    mark = read_data(target, Mark, 'mark', remedy)
    if mark.arm != arm:
        raise CellError(f'{target} is of the {mark.arm}, not of the {arm}; name the right file')
    wanted = {str(address): 256**size for address, size in CHANGED.items()}
    for joint, found in mark.registers.items():
        if (
            joint not in JOINTS
            or found.keys() != wanted.keys()
            or any(not 0 <= value < wanted[address] for address, value in found.items())
        ):
            raise CellError(f'mark {target} is damaged: {short(joint, 40)}; {remedy}')
    if len(mark.registers) != len(JOINTS):
        raise CellError(f'mark {target} is damaged: it has not {len(JOINTS)} joints; {remedy}')
    return mark.began, {
        joint: {int(address): value for address, value in found.items()}
        for joint, found in mark.registers.items()
    }


def remove_mark(path: str) -> None:
    """Remove the mark of a calibration file, if there is one."""
    target = mark_path(path)
    if target.exists():
        target.unlink()
        sync(target.parent)


def end_mark(path: str, arm: str) -> str:
    """Remove the mark, if there is one, after the driver has written the file into the servos.

    Returns a sentence about it, or ''.
    """
    target = mark_path(path)
    if not target.exists():
        return ''
    ending = f'a calibration of the {arm} did not end; its servos have the registers of {path} now'
    try:
        remove_mark(path)
    except OSError as error:
        return f'{ending}; delete {target} ({reason(error)})'
    return ending


def read_registers(bus: Bus) -> Registers:
    """Read the registers of an arm's servos that a calibration changes."""
    registers = {}
    for joint in JOINTS:
        table = bus.read(SERVO_IDS[joint], 0, servo.EEPROM_END)[1]
        registers[joint] = {
            address: int.from_bytes(table[address : address + size], 'little')
            for address, size in CHANGED.items()
        }
    return registers


def restore_registers(bus: Bus, registers: Registers) -> None:
    """Write registers back where they differ; CellError names the servos that fail.

    Their torque goes off first: with another homing, a joint with torque would jump.
    """
    problems = []
    for joint, wanted in registers.items():
        number = SERVO_IDS[joint]
        try:
            bus.write(number, servo.TORQUE_ENABLE, 1, 0)
            present = bus.read(number, 0, servo.EEPROM_END)[1]
            for address, value in wanted.items():
                size = CHANGED[address]
                if int.from_bytes(present[address : address + size], 'little') != value:
                    with unlocked(bus, number):
                        bus.write(number, address, size, value)
        except CellError as error:
            problems.append(str(error))
    if problems:
        raise CellError(
            f'{"; ".join(problems)}; these servos may have the homing of a calibration that did '
            'not end, which no file has: when they answer again, run ./cell calibrate --restore'
        )
