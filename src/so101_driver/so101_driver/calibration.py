"""The tick map of one arm, from LeRobot's calibration file. Ticks are converted to rad only here.

Zero is the middle of a joint's recorded range. The gripper's range is scaled to the model's, so
that both arms agree on open and closed. A missing or implausible file is refused.
"""

from dataclasses import dataclass
import math

import msgspec
import numpy as np

from so101_description.joints import GRIPPER_CLOSED, GRIPPER_OPEN, JOINTS, LOWER, SERVO_IDS, UPPER
from so101_node.data_files import convert, read_data
from so101_node.errors import CellError

from .servo import HOMING_SIGN, TICKS_PER_TURN

FIELDS = ('id', 'drive_mode', 'homing_offset', 'range_min', 'range_max')
MIN_SPAN = 500  # ticks (44 degrees); gripper and trigger of a built arm have more
# Recorded range divided by the model's, without the gripper (built arms: 0.94 to 1.13). If a range
# is cut short on one side, its middle, and with it the joint's zero, is wrong.
MODEL_SHARE = 0.75, 1.25
MAX_HOMING = (1 << HOMING_SIGN) - 1
MAX_SPAN_DIFFERENCE = 0.1
GRIPPER = JOINTS.index('gripper')
MODEL_SPAN = (UPPER - LOWER) * TICKS_PER_TURN / (2 * math.pi)  # ticks


def span_problem(joint: str, span: int) -> str:
    """Return why a recorded range of `span` ticks is implausible; '' if it is plausible."""
    if span < MIN_SPAN:
        return f'spans {span} ticks, fewer than {MIN_SPAN}'
    model, (least, most) = MODEL_SPAN[JOINTS.index(joint)], MODEL_SHARE
    if joint != 'gripper' and not least <= span / model <= most:
        return (
            f'spans {span} ticks, {span / model:.0%} of the {model:.0f} of the model '
            f'(limits {least:.0%} and {most:.0%})'
        )
    return ''


@dataclass(frozen=True)
class Calibration:
    """Recorded ranges of six joints, in the order of `JOINTS`; all arrays (6,)."""

    path: str
    homing_offset: np.ndarray
    range_min: np.ndarray  # ticks
    range_max: np.ndarray
    scale: np.ndarray  # rad per tick, signed
    zero: np.ndarray  # ticks (float) at 0 rad
    lower: np.ndarray  # rad: recorded range and model limits together
    upper: np.ndarray

    def to_rad(self, ticks: np.ndarray) -> np.ndarray:
        """Joint angles (6,) rad of present positions (6,) ticks."""
        return (ticks - self.zero) * self.scale

    def to_ticks(self, angles: np.ndarray) -> np.ndarray:
        """Goal positions (6,) int64 ticks of finite angles (6,) rad, clipped to the range."""
        ticks = np.rint(angles / self.scale + self.zero)
        return np.clip(ticks, self.range_min, self.range_max).astype(np.int64)


class _Entry(msgspec.Struct):
    """One joint, as LeRobot writes it; other fields are ignored."""

    id: int
    drive_mode: int
    homing_offset: int
    range_min: int
    range_max: int


_File = msgspec.defstruct(
    '_File', [(joint, _Entry) for joint in JOINTS], forbid_unknown_fields=True
)


def _checked(path: str, joint: str, entry: _Entry) -> list[int]:
    number, drive_mode, homing, low, high = values = [getattr(entry, field) for field in FIELDS]
    wrong = None
    if number != SERVO_IDS[joint]:
        wrong = f'id is {number}, the servo of this joint has {SERVO_IDS[joint]}'
    elif drive_mode not in (0, 1):
        wrong = f'drive_mode is {drive_mode}, allowed are 0 and 1'
    elif abs(homing) > MAX_HOMING:
        wrong = f'homing_offset is {homing}, the servo takes +-{MAX_HOMING}'
    elif not (0 <= low <= TICKS_PER_TURN - 1 and 0 <= high <= TICKS_PER_TURN - 1):
        wrong = f'range {low} to {high} is not within 0 to {TICKS_PER_TURN - 1}'
    elif low >= high:
        wrong = f'range_min {low} is not below range_max {high}'
    elif problem := span_problem(joint, high - low):
        wrong = f'range {low} to {high} {problem}'
    if wrong:
        raise CellError(
            f'{path}: {joint}: {wrong}; calibrate the arm again and move '
            'every joint through its whole range'
        )
    return values


def load_calibration(path: str) -> Calibration:
    """Read and check a LeRobot calibration file; CellError names joint, value and limit."""
    if not path:
        raise CellError(
            'an arm with a port needs a calibration file; set follower_calibration '
            'or leader_calibration to the JSON file that LeRobot wrote'
        )
    table = read_data(path, dict, 'calibration', 'calibrate the arm or name the right file')
    return calibration_of(table, path)


def calibration_of(table: dict, path: str) -> Calibration:
    """Check the content of a LeRobot calibration file. path: its name in errors and the result."""
    file = convert(
        table,
        _File,
        f'calibration {path} is damaged',
        f'the six joints are {", ".join(JOINTS)}; calibrate the arm again',
    )
    rows = [_checked(path, joint, getattr(file, joint)) for joint in JOINTS]
    return make_calibration(path, *np.array(rows, dtype=np.int64).T[1:])


def make_calibration(path, drive_mode, homing_offset, range_min, range_max) -> Calibration:
    """Return the tick map of checked columns (6,); drive_mode 1 reverses a servo's direction."""
    sign = 1.0 - 2.0 * drive_mode
    scale = sign * 2 * math.pi / TICKS_PER_TURN
    zero = (range_min + range_max) / 2
    span = range_max[GRIPPER] - range_min[GRIPPER]
    scale[GRIPPER] = sign[GRIPPER] * (GRIPPER_OPEN - GRIPPER_CLOSED) / span
    closed = range_max[GRIPPER] if drive_mode[GRIPPER] else range_min[GRIPPER]
    zero[GRIPPER] = closed - GRIPPER_CLOSED / scale[GRIPPER]
    ends = (range_min - zero) * scale, (range_max - zero) * scale
    return Calibration(
        path,
        homing_offset,
        range_min,
        range_max,
        scale,
        zero,
        lower=np.maximum(np.minimum(*ends), LOWER),
        upper=np.minimum(np.maximum(*ends), UPPER),
    )


def check_spans(leader: Calibration, follower: Calibration) -> None:
    """Raise CellError if a joint's range differs much between the arms: angles would disagree.

    The gripper is excluded: the leader's is a trigger, and both map to the same opening.
    """
    spans = np.stack([c.range_max - c.range_min for c in (leader, follower)])
    difference = np.abs(spans[0] - spans[1]) / spans.max(axis=0)
    for i, joint in enumerate(JOINTS):
        if i != GRIPPER and difference[i] > MAX_SPAN_DIFFERENCE:
            raise CellError(
                f'{joint}: range of {spans[0, i]} ticks in {leader.path} and of {spans[1, i]} in '
                f'{follower.path} differ by {difference[i]:.0%}, more than '
                f'{MAX_SPAN_DIFFERENCE:.0%}; calibrate the arm with the shorter one again'
            )
