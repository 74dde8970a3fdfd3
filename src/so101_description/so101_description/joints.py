"""The joint table: names, servo ids, limits and the rest pose of the SO-101, once.

Angles are rad with zero in the middle of each joint's range (LeRobot's present calibration).
Mind the signs: `shoulder_pan` + turns the arm to its right (clockwise seen from above), the
pitch joints' + is down, the gripper's + opens.
"""

import numpy as np

from so101_node.errors import CellError

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
SERVO_IDS = {name: number for number, name in enumerate(JOINTS, start=1)}

LOWER = np.array([-1.91986, -1.74533, -1.69, -1.65806, -2.74385, -0.174533])
UPPER = np.array([1.91986, 1.74533, 1.69, 1.65806, 2.84121, 1.74533])
GRIPPER_CLOSED = -0.174533
GRIPPER_OPEN = 1.74533

MAX_VELOCITY = 4.7  # rad/s, the STS3215 without load
MAX_EFFORT = 2.94  # N.m, its stall torque at 12 V

# Folded over the base, just off its own stops: holding it costs no force, and when the torque
# goes off the arm settles within 0.02 rad, finger on the table.
REST = np.array([0.0, -1.71, 1.62, 1.02, 0.0, 0.0])

for _table in (LOWER, UPPER, REST):
    _table.setflags(write=False)


def pack(names, positions) -> np.ndarray:
    """Joint angles by name, in any order, to a (6,) array in the order of `JOINTS` (rad).

    Raises CellError naming what is missing, unknown, double, not a finite number, or more than a
    full turn (degrees, most likely).
    """
    names, positions = list(names), list(positions)
    if len(names) != len(positions):
        raise CellError(f'{len(names)} joint names but {len(positions)} positions')
    missing = [name for name in JOINTS if name not in names]
    unknown = [name for name in names if name not in JOINTS]
    if missing or unknown or len(names) != len(JOINTS):
        found = (
            '; '.join(
                [f'missing joint {name}' for name in missing]
                + [f'unknown joint {name!r}' for name in unknown]
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
