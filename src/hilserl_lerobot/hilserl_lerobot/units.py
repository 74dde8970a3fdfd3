"""The units of joint values in a LeRobot dataset, and their conversion to rad and back.

LeRobot counts from the middle of each joint's recorded range, as this suite does. Its degrees are
360 for 4,095 ticks, where a turn of the servo has 4,096. The gripper is 0 to 100 % of its range
in either unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from so101_description.joints import GRIPPER_CLOSED, GRIPPER_OPEN, JOINTS, Floats
from so101_driver.calibration import Calibration, load_calibration
from so101_driver.calibration_file import path_of_calibration
from so101_driver.servo import TICKS_PER_TURN
from so101_node.errors import CellError

from .choices import DEGREES, NORMALISED, RADIANS

# LeRobot's names of its units: of the five joints of the arm, and of the gripper.
WORDS = {
    DEGREES: ('degrees', 'range_0_100'),
    NORMALISED: ('range_m100_100', 'range_0_100'),
    RADIANS: ('radians', 'radians'),
}
Ranges = tuple[tuple[int, int], ...]  # recorded range of each joint, ticks


@dataclass(frozen=True)
class Units:
    """Joint values are `rad * scale + offset`, both (6,). ranges: ticks, if they are needed."""

    name: str
    scale: Floats
    offset: Floats
    ranges: Ranges = ()

    def of_rad(self, angles: npt.ArrayLike) -> Floats:
        """Return the dataset's values of joint angles (..., 6) rad."""
        found: Floats = np.asarray(angles, np.float64) * self.scale + self.offset
        return found

    def to_rad(self, values: npt.ArrayLike) -> Floats:
        """Return the joint angles (..., 6) rad of the dataset's values."""
        found: Floats = (np.asarray(values, np.float64) - self.offset) / self.scale
        return found

    @property
    def words(self) -> list[str]:
        """LeRobot's name of each joint's unit, for the metadata."""
        arm, gripper = WORDS[self.name]
        return [arm] * (len(JOINTS) - 1) + [gripper]


def units_of(name: str, ranges: Sequence[Sequence[int]] = ()) -> Units:
    """Return the units of a name; `normalised` needs the recorded ranges (6, 2), ticks."""
    if name == RADIANS:
        return Units(name, np.ones(6), np.zeros(6))
    scale, offset = np.empty(6), np.zeros(6)
    if name == DEGREES:
        scale[:] = math.degrees(1.0) * TICKS_PER_TURN / (TICKS_PER_TURN - 1)
    else:
        half = np.array([high - low for low, high in ranges], np.float64) / 2
        scale[:] = 100.0 / (half * 2 * math.pi / TICKS_PER_TURN)
    scale[5] = 100.0 / (GRIPPER_OPEN - GRIPPER_CLOSED)
    offset[5] = -GRIPPER_CLOSED * scale[5]
    return Units(name, scale, offset, tuple((int(low), int(high)) for low, high in ranges))


def ranges_of(file: str) -> Ranges:
    """Return the recorded ranges in a follower's calibration file, ticks; CellError if it is bad.

    file: a path, or `lerobot:ID`.
    """
    calibration: Calibration = load_calibration(path_of_calibration(file, 'follower'))
    if (calibration.scale < 0).any():
        raise CellError(
            f'calibration {file} has a reversed joint (drive_mode 1), which is not supported here'
        )
    return tuple(
        (int(low), int(high)) for low, high in zip(calibration.range_min, calibration.range_max)
    )


def units_in(words: Sequence[str] | None) -> str:
    """Return the name of the units that a dataset states, '' if it states none."""
    for name, (arm, gripper) in WORDS.items():
        if words and list(words) == [arm] * (len(JOINTS) - 1) + [gripper]:
            return name
    return ''
