"""Finds the six joints in a feature of a dataset by their names, whatever their order.

LeRobot writes `shoulder_pan.pos`. Before May 2025 it wrote `main_shoulder_pan`, in degrees from
other zeros: the arm stretched out horizontally, with shoulder_lift counted upwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS, Floats
from so101_node.errors import CellError
from so101_node.refusals import short

OLD = 'main_'
POSITION = '.pos'
# value of before May 2025 -> of today: value * SIGN + SHIFT, degrees
_SIGN = np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0])
_SHIFT = np.array([0.0, 90.0, -90.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class JointColumns:
    """Which column of a feature each joint has, and whether it counts from the old zeros."""

    columns: tuple[int, ...]
    old: bool

    def values(self, rows: npt.NDArray[Any]) -> Floats:
        """Return the joints' values (N, 6), in the order of `JOINTS`, of a feature's (N, D)."""
        found: Floats = rows[:, list(self.columns)].astype(np.float64)
        return found * _SIGN + _SHIFT if self.old else found


def flat(names: Any) -> list[str]:
    """Return the names of a feature as a list; older datasets have {'motors': [...]}."""
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else []


def find_joints(where: str, names: Sequence[str], size: int, others: bool = True) -> JointColumns:
    """Return the columns of the joints. others: whether there may be other values, as velocities.

    CellError if the names are not those of an SO-101; it names the joint that is missing.
    """
    if not names:
        raise CellError(
            f'{where} has {size} values without names; give them with --joints in their order, as '
            f'in --joints {",".join(JOINTS)}'
        )
    if len(names) != size:
        raise CellError(f'{where} has {len(names)} names for {size} values')
    positions = [name for name in names if others and name.endswith(POSITION)] or list(names)
    joints = [name.removesuffix(POSITION).removeprefix(OLD) for name in positions]
    missing = [joint for joint in JOINTS if joint not in joints]
    unknown = [joint for joint in joints if joint not in JOINTS]
    if missing or unknown or len(joints) > len(JOINTS):
        twice = [joint for joint in JOINTS if joints.count(joint) > 1]
        problems = [f'the joint {joint} is missing' for joint in missing]
        problems += [f'{short(repr(joint), 40)} is no joint of it' for joint in unknown[:3]]
        problems += [f'the joint {joint} is there {joints.count(joint)} times' for joint in twice]
        raise CellError(
            f'{where} has {len(joints)} motors, an SO-101 has {len(JOINTS)}: '
            + '; '.join(problems)
        )
    by_joint = dict(zip(joints, positions))
    columns = tuple(list(names).index(by_joint[joint]) for joint in JOINTS)
    return JointColumns(columns, all(name.startswith(OLD) for name in positions))
