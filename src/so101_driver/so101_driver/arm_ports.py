"""What is on each serial port, and which arm it is, as far as the servos tell.

A port that another program has open is named and left alone. Nothing is written.
"""

from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
import os

from so101_description.joints import SERVO_IDS
from so101_node.errors import CellError
from so101_node.names import ARMS

from .adapter import fit
from .bus import Bus, NoAnswer
from .calibration import Calibration, load_calibration
from .calibration_file import lerobot_directory, path_of_calibration
from .identity import SAME, VOLTAGE_GAP, matches, read_identity
from .missing import answering
from .scan import scan
from .serial_port import BAUD_RATE
from .servos import IDS

PATIENT = 0.01  # s to wait for answers that were missed: the computer may be busy
MOST_FILES = 200  # LeRobot calibrations that are compared


@dataclass(frozen=True)
class KnownFile:
    """A calibration file of an arm, `follower` or `leader`."""

    arm: str
    path: str
    calibration: Calibration


@dataclass(frozen=True)
class Port:
    """A serial port. text: what is on it, a part of a sentence.

    voltage: V, if all servos of an arm answer. arm, file: the arm whose calibration file its
    servos keep, and that file; '' if none is known. servos: some answer. to_set_up: they need
    `./cell motors`. free: it can be opened.
    """

    path: str
    text: str
    voltage: float | None = None
    arm: str = ''
    file: str = ''
    servos: bool = False
    to_set_up: bool = False
    free: bool = True


def known_files(benched: dict[str, str]) -> list[KnownFile]:
    """Return the calibrations in the bench ({arm: path}) and those of LeRobot that are valid."""
    named = [(arm, path) for arm, path in benched.items() if path]
    for path in sorted(lerobot_directory().glob('*/*/*.json'))[:MOST_FILES]:
        named += [(arm, str(path)) for arm in ARMS if arm in path.parent.name]
    found = []
    for arm, name in named:
        try:
            file = path_of_calibration(name, arm)
            found.append(KnownFile(arm, file, load_calibration(file)))
        except CellError:
            continue  # missing or damaged: the preflight tells that
    return found


def examine(path: str, files: list[KnownFile]) -> Port:
    """Look at one port; never raises CellError."""
    if not os.path.exists(path):
        return Port(path, 'no such port', free=False)
    try:
        with closing(Bus(path, IDS)) as bus:
            fit(bus)
            try:
                return _identified(bus, files)
            except NoAnswer:
                return _incomplete(bus, files)
    except CellError as error:
        return Port(path, str(error).removeprefix(path).lstrip(': '), free=False)


def _identified(bus: Bus, files: list[KnownFile]) -> Port:
    rows, voltage = read_identity(bus)
    agree = [file for file in files if matches(rows, file.calibration) >= SAME]
    arms = {file.arm for file in agree}
    if len(arms) == 1:
        arm, file = agree[0].arm, agree[0].path
        text = f'the {arm} at {voltage:.1f} V: its servos keep {file}'
        return Port(bus.path, text, voltage, arm, file, servos=True)
    files_text = ' and '.join(file.path for file in agree)
    return Port(
        bus.path,
        f'an arm at {voltage:.1f} V whose servos keep {files_text or "no known calibration"}',
        voltage,
        servos=True,
    )


def _incomplete(bus: Bus, files: list[KnownFile]) -> Port:
    present = answering(bus)
    if len(present) == len(SERVO_IDS):
        bus.answer_timeout = max(bus.answer_timeout, PATIENT)
        with suppress(NoAnswer):
            return _identified(bus, files)
    strays = [
        found
        for found in scan(bus)
        if not (found.rate == BAUD_RATE and found.id in present and found.clean)
    ]
    if not present and not strays:
        return Port(bus.path, 'no servo answers; if it is an arm, switch its supply on')
    if strays:
        places = ', '.join(map(str, strays))
        text = f'servos that are not set up: {places}'
        return Port(bus.path, text, servos=True, to_set_up=True)
    absent = ', '.join(str(n) for n in SERVO_IDS.values() if n not in present)
    text = f'an arm whose servos {absent} do not answer; check their plugs'
    if not absent:
        text = 'an arm that does not always answer; check plugs and cable'
    return Port(bus.path, text, servos=True)


def decide(ports: Iterable[Port]) -> dict[str, Port]:
    """Return the port of each arm, as far as calibrations and supplies tell.

    Of two arms that keep no known calibration, the one with VOLTAGE_GAP more is the follower.
    """
    arms = [port for port in ports if port.voltage is not None]
    found = {}
    for arm in ARMS:
        own = [port for port in arms if port.arm == arm]
        if len(own) == 1:
            found[arm] = own[0]
    rest = [port for port in arms if port not in found.values() and not port.arm]
    if not found and len(rest) == 2:
        low, high = sorted(rest, key=lambda port: port.voltage or 0.0)
        if (high.voltage or 0.0) > (low.voltage or 0.0) + VOLTAGE_GAP:
            return {'follower': high, 'leader': low}
    if len(found) == len(rest) == 1:
        (other,) = set(ARMS) - set(found)
        found[other] = rest[0]
    return found
