"""The tick map of one arm, from LeRobot's calibration file. Ticks are converted to rad only here.

Zero is the middle of a joint's recorded range. The gripper's range is scaled to the model's, so
that both arms agree on open and closed. A missing or implausible file is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from so101_description.joints import (
    GRIPPER_CLOSED,
    GRIPPER_OPEN,
    JOINT_LIMITS,
    JOINTS,
    Floats,
)

from .calibration_file import path_of_calibration, read_calibration, require_new_format
from .calibration_problems import (
    DEFAULT,
    FIELDS,
    CalibrationRefused,
    Plausible,
    file_problems,
    pair_problems,
)
from .servo import TICKS_PER_TURN, Ticks

GRIPPER = JOINTS.index('gripper')


@dataclass(frozen=True)
class Calibration:
    """Recorded ranges of six joints, in the order of `JOINTS`; all arrays (6,)."""

    path: str
    homing_offset: Ticks
    range_min: Ticks  # ticks
    range_max: Ticks
    scale: Floats  # rad per tick, signed
    zero: Floats  # ticks (float) at 0 rad
    lower: Floats  # rad: recorded range and joint limits together
    upper: Floats
    joint_limits: str = 'model'  # the limits within which lower and upper are

    def to_rad(self, ticks: Ticks | Floats) -> Floats:
        """Joint angles (6,) rad of present positions (6,) ticks."""
        return (ticks - self.zero) * self.scale

    def to_ticks(self, angles: Floats) -> Ticks:
        """Goal positions (6,) int64 ticks of finite angles (6,) rad, clipped to the range."""
        return np.clip(self.to_any_ticks(angles), self.range_min, self.range_max)

    def to_any_ticks(self, angles: Floats) -> Ticks:
        """Goal positions (6,) int64 ticks of finite angles (6,) rad, inside the range or not."""
        return np.rint(angles / self.scale + self.zero).astype(np.int64)


def load_calibration(path: str, plausible: Plausible = DEFAULT) -> Calibration:
    """Read and check a LeRobot calibration file; CellError names every joint, value and limit."""
    return calibration_of(read_calibration(path), path, plausible)


def calibration_of(
    table: dict[str, Any],
    path: str,
    plausible: Plausible = DEFAULT,
    joint_limits: str = 'model',
) -> Calibration:
    """Check the content of a LeRobot calibration file. path: its name in errors and the result."""
    require_new_format(table, path)
    if problems := file_problems(table, path, plausible):
        raise CalibrationRefused(problems)
    rows = [[table[joint][field] for field in FIELDS] for joint in JOINTS]
    return make_calibration(path, *np.array(rows, dtype=np.int64).T[1:], joint_limits=joint_limits)


def load_calibrations(
    paths: Mapping[str, str], plausible: Plausible = DEFAULT, joint_limits: str = 'model'
) -> dict[str, Calibration]:
    """Read and check the files of one or two arms, given by 'leader' and 'follower'.

    A file is a path, or `lerobot:ID`. CellError has the problems of all files, and those of the
    pair.
    """
    paths = {arm: path_of_calibration(path, arm) for arm, path in paths.items()}
    tables = {arm: read_calibration(path) for arm, path in paths.items()}
    problems = [
        problem
        for arm, path in paths.items()
        for problem in file_problems(tables[arm], path, plausible)
    ]
    if len(tables) == 2:
        where = paths['leader'], paths['follower']
        problems += pair_problems(tables['leader'], tables['follower'], where, plausible)
    if problems:
        raise CalibrationRefused(problems)
    return {
        arm: calibration_of(tables[arm], path, plausible, joint_limits)
        for arm, path in paths.items()
    }


def make_calibration(
    path: str,
    drive_mode: Ticks,
    homing_offset: Ticks,
    range_min: Ticks,
    range_max: Ticks,
    *,
    joint_limits: str = 'model',
) -> Calibration:
    """Return the tick map of checked columns (6,); drive_mode 1 reverses a servo's direction."""
    sign = 1.0 - 2.0 * drive_mode
    scale = sign * 2 * math.pi / TICKS_PER_TURN
    zero = (range_min + range_max) / 2
    span = range_max[GRIPPER] - range_min[GRIPPER]
    scale[GRIPPER] = sign[GRIPPER] * (GRIPPER_OPEN - GRIPPER_CLOSED) / span
    closed = range_max[GRIPPER] if drive_mode[GRIPPER] else range_min[GRIPPER]
    zero[GRIPPER] = closed - GRIPPER_CLOSED / scale[GRIPPER]
    ends = (range_min - zero) * scale, (range_max - zero) * scale
    lower, upper = JOINT_LIMITS[joint_limits]
    return Calibration(
        path,
        homing_offset,
        range_min,
        range_max,
        scale,
        zero,
        lower=np.maximum(np.minimum(*ends), lower),
        upper=np.minimum(np.maximum(*ends), upper),
        joint_limits=joint_limits,
    )
