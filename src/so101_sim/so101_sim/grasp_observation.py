"""What the scripted operator sees of a grasp, and the angles that it derives from that."""

from math import atan2, pi, sin
from typing import NamedTuple

import numpy as np

from so101_description.joints import LOWER, UPPER, Floats

ALIGNED = 0.15  # rad between the jaw's direction and that across the body


class Observation(NamedTuple):
    """What the expert sees. Positions (3,) m; gripper: rad; directions (2,) in x and y."""

    tool: Floats
    gripper: float
    cube: Floats
    target: Floats | None = None
    forward: Floats | None = None  # from the fixed finger to the jaw; None: away from the arm
    across: Floats | None = None  # along which the jaw must close; None: any


def is_aligned(seen: Observation) -> bool:
    """Whether the jaw closes across the body, if it must."""
    if seen.across is None or seen.forward is None:
        return True
    sine = seen.forward[0] * seen.across[1] - seen.forward[1] * seen.across[0]
    return abs(float(sine)) < sin(ALIGNED)


def is_put(cube: Floats, target: Floats, release_height: float) -> bool:
    """Whether a cube is where it is to be put. Positions (3,) m; release_height: m over target."""
    away = cube - target
    return bool(np.linalg.norm(away[:2]) < 0.012 and away[2] < release_height + 0.004)


def yaw_of(w: float, x: float, y: float, z: float) -> float:
    """Return the angle of a quaternion about z, rad."""
    return atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def roll_across(roll: float, forward: Floats, yaw: float) -> float:
    """Return the nearest angle of the joint wrist_roll at which the jaw closes across a body.

    roll: of now, rad; forward: horizontal direction (2,) from the fixed finger to the jaw; yaw: of
    the body, whose y axis is across, rad.
    """
    turn = (yaw + 0.5 * pi - atan2(forward[1], forward[0]) + 0.5 * pi) % pi - 0.5 * pi
    return next(
        (
            to
            for to in (roll + turn, roll + turn - pi, roll + turn + pi)
            if LOWER[4] < to < UPPER[4]
        ),
        roll,
    )
