"""The zeros of an arm's joints, compared with the model in two poses that a person sets by hand.

Folded: the arm straight ahead over its base, the upper arm back until it stops, the fore-arm
folded onto it until it stops. Level: the fore-arm parallel to the table, the gripper straight
down. The poses say nothing about wrist_roll and gripper.
"""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from so101_description.joints import CONTACT_LOWER, CONTACT_UPPER, JOINTS, Floats
from so101_node.errors import CellError

from .calibration import Calibration
from .calibration_problems import MAX_HOMING, MIDDLE
from .servo import TICKS_PER_TURN

CHECKED = JOINTS[:4]  # what the poses determine
# Joint angles of the folded pose, degrees: straight ahead; the stops, from the parts' geometry
# (the upper arm meets the base's parts between -105 and -108, the fore-arm the upper arm at 90.5).
FOLDED = np.array([0.0, -106.0, 90.5])
# Each row: the checked joints whose angles are added, their sum in degrees, and how exactly a
# person sets it, in degrees. The first three are of the folded pose.
_SUMS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], float)
_WANTED = np.array([*FOLDED, 0.0, 90.0])
_EXACT = np.array([3.0, 3.0, 2.0, 2.0, 3.0])
ACCURACY = 4.0  # degrees of a correction, if the poses are set as exactly as that
DISAGREE = 12.0  # degrees between the folded pose and the level fore-arm
LARGEST = 30.0  # degrees; a larger error is no shifted zero


def corrections(folded: Floats, level: Floats) -> Floats:
    """Return how much too high the angles of the CHECKED joints are, (4,) degrees.

    folded, level: measured joint angles of the two poses, (6,) rad. The least-squares solution of
    what both poses say, as both determine the sum of shoulder_lift and elbow_flex. CellError if
    they disagree, or if an error is too large for a shifted zero.
    """
    first, second = np.degrees(folded[:4]), np.degrees(level[:4])
    measured = np.array([*first[:3], *(_SUMS[3:] @ second)])
    error = measured - _WANTED
    found: Floats = np.linalg.lstsq(_SUMS / _EXACT[:, None], error / _EXACT, rcond=None)[0]
    absurd = [
        f'{joint} by {value:+.0f}' for joint, value in zip(CHECKED, found) if abs(value) > LARGEST
    ]
    if absurd:
        raise CellError(
            f'the zeros would be wrong by more than {LARGEST:.0f} degrees ({", ".join(absurd)}): '
            'a pose was not set as asked, or a servo is mounted wrongly; nothing was written; '
            'check again, or calibrate the arm'
        )
    apart = error[1] + error[2] - error[3]
    if abs(apart) > DISAGREE:
        raise CellError(
            f'the two poses disagree by {abs(apart):.0f} degrees (allowed: {DISAGREE:.0f}) about '
            'shoulder_lift and elbow_flex together; nothing was written; push both joints to '
            'their stops in the first pose, and check again'
        )
    return found


def corrected(
    table: Mapping[str, Any], calibration: Calibration, errors: Floats
) -> dict[str, Any]:
    """Return the content of the file with the zeros of the CHECKED joints corrected.

    table: its content; errors: (4,) degrees, of `corrections`; those within ACCURACY are not
    corrected. A corrected joint reads MIDDLE at its zero. Its range is longer at the end that was
    cut short, but ends before the arm's parts meet.
    """
    content = {joint: dict(entry) for joint, entry in table.items()}
    for i, (joint, error) in enumerate(zip(CHECKED, errors)):
        if abs(error) <= ACCURACY:
            continue
        scale = float(calibration.scale[i])  # rad per tick, signed
        zero = float(calibration.zero[i]) + math.radians(error) / scale
        homing = content[joint]['homing_offset'] + round(zero) - MIDDLE
        if abs(homing) > MAX_HOMING:
            homing -= int(math.copysign(TICKS_PER_TURN, homing))
        half = (calibration.range_max[i] - calibration.range_min[i]) / 2
        half += abs(math.radians(error) / scale)
        most = min(-CONTACT_LOWER[i], CONTACT_UPPER[i]) / abs(scale)
        reach = math.floor(min(half, most))
        content[joint].update(
            homing_offset=homing, range_min=MIDDLE - reach, range_max=MIDDLE + reach
        )
    return content
