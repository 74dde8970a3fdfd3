"""The kinematics of a task, and the check that an FK service computes actions as the task does.

An action is four numbers without a unit. Another scale, gripper step or workspace box changes
their meaning, and a recording does not show that.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError

from .task import TaskSchema

if TYPE_CHECKING:
    from so101_description.kinematics import Kinematics

FIELDS = ('action_scale', 'gripper_step', 'box_min', 'box_max')  # m, rad, m, m
EQUAL = 1e-9  # tolerance: a number may have been converted to text and back


class StatedKinematics(Protocol):
    """The kinematics that an FK service states."""

    @property
    def model_hash(self) -> str:
        """Hash of the arm's kinematic data."""

    @property
    def action_scale(self) -> float:
        """M."""

    @property
    def gripper_step(self) -> float:
        """Rad."""

    @property
    def box_min(self) -> npt.ArrayLike:
        """(3,) m."""

    @property
    def box_max(self) -> npt.ArrayLike:
        """(3,) m."""


def kinematics_config(schema: TaskSchema) -> KinematicsConfig:
    """The kinematics with the task's scales and box; all other bounds have their defaults."""
    return KinematicsConfig(**{name: getattr(schema, name) for name in FIELDS})


def kinematics_of(schema: TaskSchema) -> 'Kinematics':
    """The arm's kinematics with a task's scales; CellError if the task is for another arm."""
    from so101_description.kinematics import Kinematics  # imports MuJoCo

    kinematics = Kinematics(kinematics_config(schema))
    if kinematics.model_hash != schema.model_hash:
        raise CellError(
            f'task {schema.name} is for arm model {schema.model_hash[:8]}, this suite '
            f'has {kinematics.model_hash[:8]}; actions cannot be computed for it'
        )
    return kinematics


def require_same_kinematics(schema: TaskSchema, stated: StatedKinematics) -> None:
    """CellError if an FK service's kinematics differ from the task's.

    stated: the service's answer.
    """
    if stated.model_hash != schema.model_hash:
        raise CellError(
            f'the FK service has model {stated.model_hash[:8] or "unknown"}, the task '
            f'{schema.model_hash[:8]}; start both from one build'
        )
    for name in FIELDS:
        ours, theirs = (_numbers(getattr(config, name)) for config in (schema, stated))
        if any(abs(a - b) > EQUAL for a, b in zip(ours, theirs, strict=True)):
            raise CellError(
                f'the FK service has {name} {_text(theirs)}, the task {_text(ours)}; '
                f'start the kinematics node with {name}:={_text(ours)}'
            )


def _numbers(value: npt.ArrayLike) -> list[float]:
    return [float(number) for number in np.ravel(value)]


def _text(numbers: list[float]) -> str:
    words = ', '.join(f'{number:g}' for number in numbers)
    return words if len(numbers) == 1 else f'[{words}]'
