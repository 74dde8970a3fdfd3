"""What an accepted calibration file may hide: a shifted zero, and a range that is not used."""

from dataclasses import dataclass
from functools import cache
import math

import numpy as np

from so101_description.joints import JOINT_LIMITS, JOINTS, Floats

from .calibration import GRIPPER, Calibration
from .calibration_problems import MIDDLE, MODEL_SPAN, TURNING
from .servo import TICKS_PER_TURN, Ticks

DEGREES = 360 / TICKS_PER_TURN  # a tick in degrees
# Built arms reach up to 10 degrees beyond the model on each side (public calibration files).
BEYOND = 10.0
LEAST_BUILT = 0.93  # of the model's range; a built arm that was moved to both ends has 0.94
DOUBTFUL = 5.0  # degrees
WHOLE_TURN = 4000  # ticks; a joint with this range was not moved to its ends
# A usual working pose, rad: the tool points down, 25 cm in front of the base and 7 cm high.
WORKING = (0.0, 0.24, -0.28, 1.61, 0.0, 0.5)


@dataclass(frozen=True)
class ZeroDoubt:
    """How far the zero of one joint may be wrong, in degrees and in mm at the tool.

    bound: to either side; no range that a built arm can have allows more. suggested: how much too
    low its angles are if the pose of its homing was its middle, signed, within the bound.
    """

    joint: str
    span: float
    widest: float
    bound: float
    suggested: float
    tool: float

    def sentence(self, path: str) -> str:
        """Return the warning for the person at the arm."""
        low = 'low' if self.suggested >= 0 else 'high'
        return (
            f'{path}: {self.joint}: its zero may be wrong by up to {self.bound:.0f} degrees '
            f'(up to {self.tool:.0f} mm at the tool): its range of {self.span:.0f} degrees may be '
            f'cut short on one side, as built arms have up to {self.widest:.0f}; if the pose of '
            f'its homing was its middle, its angles are {abs(self.suggested):.0f} degrees too '
            f'{low}; check it with ./cell calibrate --check-zero, or calibrate again'
        )


def spans(calibration: Calibration) -> Floats:
    """Return the recorded ranges, (6,) degrees."""
    ticks = calibration.range_max - calibration.range_min
    return np.asarray(ticks * DEGREES, np.float64)


def widest_spans() -> Floats:
    """Return the widest range of each joint of a built arm, (6,) degrees."""
    widest: Floats = MODEL_SPAN * DEGREES + 2 * BEYOND
    widest[JOINTS.index(TURNING)] = 360.0
    return widest


def doubtful_zeros(calibration: Calibration) -> list[ZeroDoubt]:
    """Return the joints whose zero may be wrong.

    A joint's zero is the middle of its range. If the range was cut short on one side, the zero is
    wrong by half of the missing part; so half of what is missing to the widest range of a built
    arm bounds the error. Homing gives MIDDLE ticks to a pose that was near the middle. A joint is
    doubtful if its range and that pose both allow DOUBTFUL degrees, or if its range is shorter
    than that of any built arm. An off-centre homing pose with a whole range is no error.
    """
    span, widest = spans(calibration), widest_spans()
    bound = np.maximum(widest - span, 0.0) / 2
    middle = (calibration.range_max + calibration.range_min) / 2
    away = np.degrees((middle - MIDDLE) * calibration.scale)
    found = []
    for i, joint in enumerate(JOINTS):
        if i == GRIPPER or span[i] >= WHOLE_TURN * DEGREES:
            continue
        short = joint != TURNING and span[i] < LEAST_BUILT * MODEL_SPAN[i] * DEGREES
        if bound[i] < DOUBTFUL or (abs(away[i]) < DOUBTFUL and not short):
            continue
        found.append(
            ZeroDoubt(
                joint,
                float(span[i]),
                float(widest[i]),
                float(bound[i]),
                float(np.clip(away[i], -bound[i], bound[i])),
                tool_shift(i, float(np.radians(bound[i]))),
            )
        )
    return found


def tool_shift(joint: int, error: float) -> float:
    """Return how far the tool is from where it seems to be in a working pose, mm.

    error: of the joint's zero, rad.
    """
    return 2e3 * _lever(joint) * abs(math.sin(error / 2))


@cache
def _lever(joint: int) -> float:
    """Return the distance of the tool from a joint's axis in a working pose, m."""
    from so101_description.kinematics import Kinematics  # loads the model: only if needed

    kinematics, turned = Kinematics(), np.array(WORKING)
    turned[joint] += math.pi
    ends = [kinematics.tool_pose(q)[0] for q in (WORKING, turned)]
    return float(np.linalg.norm(ends[1] - ends[0])) / 2


def lost_reach(calibration: Calibration) -> str:
    """Return a sentence on recorded ranges that the joint limits cut off, or ''."""
    ticks: Ticks = np.stack([calibration.range_min, calibration.range_max])
    ends = (ticks - calibration.zero) * calibration.scale
    lower, upper = JOINT_LIMITS[calibration.joint_limits]
    below = np.maximum(np.degrees(lower - ends.min(axis=0)), 0.0)
    above = np.maximum(np.degrees(ends.max(axis=0) - upper), 0.0)
    span = spans(calibration)
    lost = [
        f'{joint} {below[i]:.0f} degrees below and {above[i]:.0f} above'
        for i, joint in enumerate(JOINTS)
        if i != GRIPPER and span[i] < WHOLE_TURN * DEGREES and max(below[i], above[i]) >= 1.0
    ]
    if not lost:
        return ''
    remedy = '; joint_limits:=contact uses more of it'
    return (
        f'{calibration.path}: the joint limits ({calibration.joint_limits}) cut off a part of the '
        f'recorded range: {", ".join(lost)}' + remedy * (calibration.joint_limits == 'model')
    )
