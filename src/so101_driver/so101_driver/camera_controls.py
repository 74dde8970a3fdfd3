"""Exposure, gain, white balance, focus and power line frequency of a camera, by V4L2 controls.

A camera keeps these until it loses its power, whoever set them. What it does not accept is told by
name, because a policy fails when the brightness or the colours of its images drift.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
import math

from so101_node.errors import CellError

from .v4l2 import VideoDevice

KEEP, AUTO = 'keep', 'auto'
# Values of V4L2_CID_POWER_LINE_FREQUENCY; `off` would be a truth value in YAML
POWER_LINE = {'disabled': 0, '50': 1, '60': 2, AUTO: 3}
_POWER_LINE_FREQUENCY = 0x980918
_OFF, _ON = 0, 1
_EXPOSURE_MANUAL = 1  # of V4L2_CID_EXPOSURE_AUTO
_EXPOSURE_AUTOMATIC = (3, 0, 2)  # aperture priority is what most cameras have; auto; shutter


@dataclass(frozen=True)
class _Control:
    """A value with an automatic. `number * scale` is the value of V4L2."""

    word: str
    unit: str
    value: int  # V4L2_CID_*
    automatic: int
    manual: int = _OFF  # values of the automatic
    automatics: tuple[int, ...] = (_ON,)
    scale: float = 1.0

    def text(self, raw: int) -> str:
        return f'{raw / self.scale:g}{self.unit}'


CONTROLS = {
    'camera_exposure': _Control(
        'exposure', ' ms', 0x9A0902, 0x9A0901, _EXPOSURE_MANUAL, _EXPOSURE_AUTOMATIC, 10.0
    ),
    'camera_gain': _Control('gain', '', 0x980913, 0x980912),
    'camera_white_balance': _Control('white balance', ' K', 0x98091A, 0x98090C),
    'camera_focus': _Control('focus', '', 0x9A090A, 0x9A090C),
}


@dataclass
class ControlReport:
    """What was set, in words, and one sentence for each control that the camera refused."""

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def check_setting(name: str, text: str) -> None:
    """Raise CellError unless `text` is keep, auto or a number that is not negative."""
    if text in (KEEP, AUTO):
        return
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= 1e6:
        raise CellError(f'{name}:={text} is neither {KEEP} nor {AUTO} nor a number from 0 on')


def apply(device: VideoDevice, settings: Mapping[str, str]) -> ControlReport:
    """Set the controls of an open device, and read them back.

    settings: keys of CONTROLS with keep, auto or a number; camera_power_line: of POWER_LINE, or
    keep. Raises no OSError: a control that fails is refused.
    """
    report = ControlReport()
    for name, text in settings.items():
        if text == KEEP:
            continue
        try:
            if name == 'camera_power_line':
                done = _set(device, _POWER_LINE_FREQUENCY, POWER_LINE[text], _power_line_text)
                report.done.append(f'power line frequency {done}')
            elif text == AUTO:
                _set_automatic(device, CONTROLS[name])
                report.done.append(f'{CONTROLS[name].word} automatic')
            else:
                done = _set_number(device, CONTROLS[name], float(text))
                report.done.append(f'{CONTROLS[name].word} {done}')
        except _Refused as refusal:
            word = CONTROLS[name].word if name in CONTROLS else 'power line frequency'
            report.refused.append(f'{word} ({name}:={text}) {refusal}')
    return report


def present(device: VideoDevice, names: Iterable[str]) -> dict[str, float]:
    """Return the present values of the controls `names` that a camera has, in their units."""
    found = {}
    for name in names:
        control = CONTROLS[name]
        try:
            if _has(device, control.value):
                found[name] = device.control(control.value) / control.scale
        except (OSError, _Refused):
            continue  # it cannot be read, so it is not known
    return found


class _Refused(Exception):
    """Why a control was refused: the rest of a sentence after its name."""


def _power_line_text(raw: int) -> str:
    return next((word for word, value in POWER_LINE.items() if value == raw), str(raw))


def _set(device: VideoDevice, control: int, wanted: int, words: Callable[[int], str] = str) -> str:
    """Set one control within its range and read it back; return its value in words."""
    try:
        allowed = device.control_range(control)
        if allowed is None:
            raise _Refused('is no control of this camera')
        if not allowed.low <= wanted <= allowed.high:
            raise _Refused(f'is out of its range, {words(allowed.low)} to {words(allowed.high)}')
        device.set_control(control, wanted)
        found = device.control(control)
    except OSError as error:
        raise _Refused(f'was refused: {error.strerror}') from error
    if abs(found - wanted) > max(allowed.step - 1, 0):
        raise _Refused(f'was not accepted: it stays at {words(found)}')
    return words(found)


def _set_number(device: VideoDevice, control: _Control, number: float) -> str:
    if _has(device, control.automatic):
        try:
            _set(device, control.automatic, control.manual)
        except _Refused as refusal:
            reason = f'was refused: its automatic cannot be switched off; it {refusal}'
            raise _Refused(reason) from None
    return _set(device, control.value, round(number * control.scale), control.text)


def _set_automatic(device: VideoDevice, control: _Control) -> None:
    for value in control.automatics:
        try:
            _set(device, control.automatic, value)
            return
        except _Refused as refusal:
            last = refusal
    raise last


def _has(device: VideoDevice, control: int) -> bool:
    try:
        return device.control_range(control) is not None
    except OSError as error:
        raise _Refused(f'was refused: {error.strerror}') from error
