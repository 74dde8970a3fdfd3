"""The axes of an action: their names in order, and how far an action of 1 moves each of them.

Everything that computes with actions reads names and scales from here. An action acts either on
the tool or on joints; the gripper belongs to both. A pose has six coordinates in either space, and
each axis is one of them. A coordinate that no axis acts on is held.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .joints import JOINTS, Floats

GRIPPER = 'gripper'
# droll turns the joint wrist_roll; dpitch turns the tool, positive below the horizontal.
TOOL_AXES = ('dx', 'dy', 'dz', 'droll', 'dpitch', GRIPPER)
JOINT_AXES = JOINTS
TRANSLATIONS = TOOL_AXES[:3]
# Largest scales. An angle is that of the largest joint step.
_MOST = {**dict.fromkeys(TRANSLATIONS, (0.1, 'm')), GRIPPER: (1.0, 'rad')}
_MOST_ANGLE = (0.35, 'rad')
PITCH_JOINTS = slice(1, 4)  # the tool's pitch below the horizontal is the sum of these


@dataclass(frozen=True)
class ActionSpace:
    """Names of the axes, and scales: m for dx, dy and dz, rad for the others.

    The names are some of TOOL_AXES or some of JOINT_AXES, in that order. CellError if not.
    """

    names: tuple[str, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise CellError('an action needs at least one axis')
        if len(self.names) != len(self.scales):
            raise CellError(f'the action has {len(self.names)} axes and {len(self.scales)} scales')
        if self.names != tuple(name for name in self.coordinates if name in self.names):
            raise CellError(
                f'the action has the axes {", ".join(self.names)[:200]}; allowed are some of '
                f'{", ".join(TOOL_AXES)}, or some of {", ".join(JOINT_AXES)}, in this order'
            )
        for name, scale in zip(self.names, self.scales):
            most, unit = _MOST.get(name, _MOST_ANGLE)
            if not 0.0 < scale <= most:
                raise CellError(
                    f'the axis {name} has the scale {scale:g} {unit}; allowed is up to {most:g}'
                )

    @cached_property
    def of_joints(self) -> bool:
        """Whether the action acts on joints, not on the tool."""
        return any(name in JOINT_AXES[:-1] for name in self.names)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The six coordinates of a pose in this space."""
        return JOINT_AXES if self.of_joints else TOOL_AXES

    @cached_property
    def acted(self) -> npt.NDArray[np.intp]:
        """Which coordinate each axis acts on, (A,)."""
        return np.array([self.coordinates.index(name) for name in self.names], np.intp)

    @property
    def gripper(self) -> int | None:
        """The place of the gripper in an action; None: it is held."""
        return self.names.index(GRIPPER) if GRIPPER in self.names else None

    def displacement(self, action: npt.ArrayLike) -> Floats:
        """How far an action (A,) moves each coordinate, (6,): m or rad; 0 where it is held."""
        values = np.asarray(action)
        # A stored action is float32, and so is its product: the same as in earlier versions.
        kind = np.float32 if values.dtype == np.float32 else np.float64
        moved = np.zeros(6)
        moved[self.acted] = values * np.array(self.scales, kind)
        return moved

    def text(self) -> tuple[str, ...]:
        """The axes as words, such as `dx:0.02`; `from_text` reads them."""
        return tuple(f'{name}:{scale!r}' for name, scale in zip(self.names, self.scales))

    @classmethod
    def from_text(cls, words: Iterable[str]) -> 'ActionSpace':
        """Read what `text` returns; CellError names a wrong word."""
        names, scales = [], []
        for word in words:
            name, _, scale = word.partition(':')
            try:
                scales.append(float(scale))
            except ValueError:
                raise CellError(
                    f'the axis {word[:40]!r} of an action has no scale; write it as dx:0.02'
                ) from None
            names.append(name)
        return cls(tuple(names), tuple(scales))


DEFAULT = ActionSpace(('dx', 'dy', 'dz', GRIPPER), (0.02, 0.02, 0.02, 0.2))
