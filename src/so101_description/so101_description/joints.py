"""The joint table: names, servo ids, limits and the rest pose of the SO-101.

Angles are in rad, with zero in the middle of each joint's range, as in LeRobot's calibration.
Signs: a positive `shoulder_pan` turns the arm clockwise, seen from above. A positive angle of a
pitch joint moves the tool down. A positive gripper angle opens the gripper.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError
from so101_node.refusals import short

Floats = npt.NDArray[np.float64]

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
SERVO_IDS = {name: number for number, name in enumerate(JOINTS, start=1)}

LOWER = np.array([-1.91986, -1.74533, -1.69, -1.65806, -2.74385, -0.174533])
UPPER = np.array([1.91986, 1.74533, 1.69, 1.65806, 2.84121, 1.74533])
# Where the parts of the arm meet, from its geometry (so101-drake). Built arms reach that far.
CONTACT_LOWER = np.array([-2.01012, -1.82697, -1.81448, -1.81662, -np.pi, -0.19990])
CONTACT_UPPER = np.array([2.15186, 1.76783, 1.57339, 1.77853, np.pi, 2.00767])
_ENCODER_END = np.pi - 0.09  # 5 degrees before the angle at which a servo's ticks begin again
GRIPPER_CLOSED = -0.174533
GRIPPER_OPEN = 1.74533

MAX_VELOCITY = 4.7  # rad/s, the STS3215 without load
MAX_EFFORT = 2.94  # N.m, its stall torque at 12 V

# Folded over the base, close to the mechanical stops. The pose needs no force to hold. When the
# torque is switched off, the arm moves less than 0.02 rad and a finger touches the table.
REST = np.array([0.0, -1.71, 1.62, 1.02, 0.0, 0.0])


def _up_to_contact() -> tuple[Floats, Floats]:
    """Return the wider of model and contact on each side; the gripper's scale is the model's."""
    lower = np.maximum(np.minimum(LOWER, CONTACT_LOWER), -_ENCODER_END)
    upper = np.minimum(np.maximum(UPPER, CONTACT_UPPER), _ENCODER_END)
    lower[5], upper[5] = LOWER[5], UPPER[5]
    return lower, upper


# The joint limits that a bench can choose, (lower, upper), each (6,) rad: option joint_limits.
JOINT_LIMITS = {'model': (LOWER, UPPER), 'contact': _up_to_contact()}

for _table in (CONTACT_LOWER, CONTACT_UPPER, REST, *sum(JOINT_LIMITS.values(), ())):
    _table.setflags(write=False)


def pack(names: Iterable[str], positions: Iterable[float]) -> Floats:
    """Return joint angles, given by name in any order, as (6,) rad in the order of `JOINTS`.

    CellError names a joint that is missing, unknown or named twice, and an angle that is not
    finite or more than a full turn (most likely in degrees).
    """
    names, positions = list(names), list(positions)
    if len(names) != len(positions):
        raise CellError(f'{len(names)} joint names but {len(positions)} positions')
    missing = [name for name in JOINTS if name not in names]
    unknown = [name for name in names[: len(JOINTS) + 1] if name not in JOINTS]
    if missing or unknown or len(names) != len(JOINTS):
        found = (
            '; '.join(
                [f'missing joint {name}' for name in missing]
                + [f'unknown joint {short(repr(name), 40)}' for name in unknown[:2]]
            )
            or 'a joint is named twice'
        )
        raise CellError(f'{found}: the six joints are {", ".join(JOINTS)}')
    given = dict(zip(names, positions))
    packed = np.array([given[name] for name in JOINTS], dtype=np.float64)
    for name, value in zip(JOINTS, packed):
        if not np.isfinite(value):
            raise CellError(f'{name}: {value} is not an angle')
        if abs(value) > 2 * np.pi:
            raise CellError(f'{name}: {value:.6g} is more than a full turn; angles are in rad')
    return packed
