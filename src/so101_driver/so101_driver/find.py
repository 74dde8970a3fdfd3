"""Decides which arm, supply and camera a bench has, and asks a person what it cannot know.

`ask(question)` returns the answer, or None if there is nobody to ask.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
import os
import time

from so101_node.errors import CellError
from so101_node.names import ARMS, WRIST
from so101_node.options import number, options_of

from .arm_ports import Port
from .bench_file import NONE
from .bus import Bus
from .cameras import CameraDevice, CameraFormat
from .options import DriverOptions
from .servos import IDS
from .supply import check_supply

Ask = Callable[[str], str | None]
Say = Callable[[str], object]

USUAL_SUPPLIES = (5.0, 7.4, 12.0)  # V
USUAL_SIZE, USUAL_RATE = (640, 480), 30.0
PLUG_TIME = 2.0  # s for the computer to notice that a port has come or gone


def choose_arms(
    ports: Sequence[Port], decided: dict[str, Port], ask: Ask, say: Say
) -> dict[str, Port]:
    """Return the port of each arm: those that are decided, and those that a person tells."""
    chosen = dict(decided)
    while True:
        left = [port for port in ports if port.free and port not in chosen.values()]
        if any(port.servos for port in ports):  # the others are no arms, or have no supply
            left = [port for port in left if port.servos]
        arms = [arm for arm in ARMS if arm not in chosen]
        if not left or not arms:
            return chosen
        arm, port = arms[0], left[0]
        if len(left) > 1:
            unplugged = _unplugged(arm, left, ask, say)
            if not unplugged:
                return chosen
            port = unplugged
        elif len(arms) > 1:
            arm = _which_arm(port, ask, say)
        elif not _confirmed(port, arm, ask, say):
            arm = ''
        if not arm:
            return chosen
        chosen[arm] = port


def _confirmed(port: Port, arm: str, ask: Ask, say: Say) -> bool:
    answer = _one_of(f'Is the {arm} on {port.path}? [yes] ', ('yes', 'no'), 'yes', ask, say)
    return answer == 'yes'


def _which_arm(port: Port, ask: Ask, say: Say) -> str:
    """Return the arm on the only port; '' if nobody tells, or it is none."""
    question = f'Which arm is on {port.path}: follower, leader or none? [follower] '
    answer = _one_of(question, (*ARMS, 'none'), 'follower', ask, say)
    return answer if answer in ARMS else ''


def _one_of(question: str, answers: Iterable[str], default: str, ask: Ask, say: Say) -> str:
    """Return one of the answers, which may be shortened; '' if there is nobody to ask."""
    while (answer := ask(question)) is not None:
        word = answer.strip().lower() or default
        if found := [each for each in answers if each.startswith(word)]:
            return found[0]
        say(f'{answer} is not one of {", ".join(answers)}')
    return ''


def _unplugged(arm: str, ports: Sequence[Port], ask: Ask, say: Say) -> Port | None:
    """Return the port that a person unplugs; None if there is nobody to ask."""
    while ask(f'Unplug the USB cable of the {arm}, then press Enter. ') is not None:
        _wait_until(lambda: any(not os.path.exists(port.path) for port in ports))
        gone = [port for port in ports if not os.path.exists(port.path)]
        if len(gone) == 1:
            _plugged_in(gone[0], ask, say)
            return gone[0]
        say(f'{len(gone) or "none"} of the ports has gone; unplug one cable only')
    return None


def _plugged_in(port: Port, ask: Ask, say: Say) -> None:
    while ask(f'{port.path} has gone. Plug it in again, then press Enter. ') is not None:
        _wait_until(lambda: os.path.exists(port.path))
        if os.path.exists(port.path):
            return
        say(f'{port.path} is not there; use the same USB socket')


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PLUG_TIME
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


def supply_voltage(
    arm: str, port: Port, given: float | None, before: float | None, ask: Ask, say: Say
) -> float | None:
    """Return the voltage of an arm's supply, V; None if it is unknown.

    CellError if a `given` one does not fit the servos. An answer that does not fit is asked for
    again.
    """
    option = options_of(DriverOptions)[f'{arm}_voltage']
    if given is not None:
        _check(arm, port, option.checked(given))
        return given
    default = before or _usual(port.voltage)
    shown = f' [{number(default)}]' if default else ''
    question = f'Supply voltage of the {arm} in V, as printed on the supply{shown}: '
    while (answer := ask(question)) is not None:
        if not answer.strip() and not default:
            return None
        try:
            volts: float = option.parse(answer) if answer.strip() else option.checked(default)
            _check(arm, port, volts)
        except CellError as error:
            say(str(error))
        else:
            return volts
    return before


def _usual(measured: float | None) -> float | None:
    """Return the usual supply nearest to a measured voltage, V."""
    if measured is None:
        return None
    near = min(USUAL_SUPPLIES, key=lambda volts: abs(volts - measured))
    return near if abs(near - measured) < 1.0 else round(measured, 1)


def _check(arm: str, port: Port, volts: float) -> None:
    if port.voltage is not None:
        with closing(Bus(port.path, IDS, answer_timeout=0.01)) as bus:
            check_supply(arm, bus, volts)


def choose_cameras(
    cameras: Sequence[CameraDevice],
    given: Mapping[str, str],
    before: Mapping[str, str],
    ask: Ask,
    say: Say,
) -> dict[str, CameraDevice]:
    """Return the camera of each role, as far as it is clear.

    given, before: role -> device, from the arguments and from the older bench file; there, `none`
    means that another node publishes its images. A person tells which of several cameras is at the
    wrist. CellError if a given device is no camera.
    """
    usable = [camera for camera in cameras if camera.formats]
    chosen = {}
    for role, device in (dict(before) | dict(given)).items():
        if found := [camera for camera in usable if _is_device(camera, device)]:
            chosen[role] = found[0]
        elif role in given:
            names = ', '.join(camera.stable_path for camera in usable) or 'none'
            hint = ''
            if os.path.isfile(device):
                hint = f'; a file is set in bench.yaml by hand, as cameras.{role}.device'
            raise CellError(f'--camera {device} is no camera; the cameras are: {names}{hint}')
    left = [camera for camera in usable if camera not in chosen.values()]
    if WRIST in chosen or not left or before.get(WRIST) == NONE:
        return chosen
    if len(left) == 1:
        return chosen | {WRIST: left[0]}
    numbers = [str(cameras.index(camera) + 1) for camera in left]
    question = f'Which camera is at the wrist: {", ".join(numbers)}? [{numbers[0]}] '
    answer = _one_of(question, numbers, numbers[0], ask, say)
    return chosen | ({WRIST: cameras[int(answer) - 1]} if answer else {})


def _is_device(camera: CameraDevice, device: str) -> bool:
    path = f'/dev/video{device}' if device.isdecimal() else device
    return os.path.realpath(path) == os.path.realpath(camera.path)


def size_and_rate(formats: Sequence[CameraFormat]) -> tuple[int, int, float]:
    """Return a usual width, height (pixels) and rate (Hz) that a camera offers.

    640x480 if it has that, else the smallest size above, else its largest.
    """
    width, height = USUAL_SIZE
    fitting = [each for each in formats if each.fits(width, height)]
    if not fitting:
        above = [each for each in formats if each.width >= width and each.height >= height]
        by_size = sorted(above or formats, key=lambda each: each.width * each.height)
        best = by_size[0] if above else by_size[-1]
        width, height = best.width, best.height
        fitting = [each for each in formats if each.fits(width, height)]
    rates = [rate for each in fitting for rate in each.rates]
    return width, height, min(rates or [USUAL_RATE], key=lambda rate: abs(rate - USUAL_RATE))
