"""The kinematics of a task, and the check that an FK service computes actions as the task does.

An action is numbers without a unit. Other axes, scales or another workspace box change their
meaning, and a recording does not show that.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError

from .task import TaskSchema

if TYPE_CHECKING:
    from so101_description.kinematics import Kinematics

BOX = ('box_min', 'box_max')  # m
EQUAL = 1e-9  # tolerance: a number may have been converted to text and back


class StatedKinematics(Protocol):
    """The kinematics that an FK service states."""

    @property
    def model_hash(self) -> str:
        """Hash of the arm's kinematic data."""

    @property
    def action_names(self) -> Iterable[str]:
        """The axes of an action."""

    @property
    def action_scales(self) -> npt.ArrayLike:
        """(A,) m or rad."""

    @property
    def box_min(self) -> npt.ArrayLike:
        """(3,) m."""

    @property
    def box_max(self) -> npt.ArrayLike:
        """(3,) m."""


def kinematics_options(schema: TaskSchema) -> dict[str, Any]:
    """The options of the kinematics that the task decides: its action and its box."""
    return {'action': schema.action_space.text(), **{name: getattr(schema, name) for name in BOX}}


def kinematics_config(schema: TaskSchema) -> KinematicsConfig:
    """The kinematics with the task's action and box; all other bounds have their defaults."""
    return KinematicsConfig(**kinematics_options(schema))


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
    space = schema.action_space
    names, scales = tuple(stated.action_names), _numbers(stated.action_scales)
    if names != space.names or _differ(scales, space.scales):
        wanted = ','.join(space.text())
        found = ','.join(f'{name}:{scale:g}' for name, scale in zip(names, scales))
        raise CellError(
            f'the FK service has the action {found[:300]}, the task {wanted}; start the '
            f'kinematics node with action:={wanted}'
        )
    for name in BOX:
        ours, theirs = (_numbers(getattr(config, name)) for config in (schema, stated))
        if _differ(ours, theirs):
            raise CellError(
                f'the FK service has {name} {_text(theirs)}, the task {_text(ours)}; '
                f'start the kinematics node with {name}:={_text(ours)}'
            )


def _differ(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    return len(ours) != len(theirs) or any(abs(a - b) > EQUAL for a, b in zip(ours, theirs))


def _numbers(value: npt.ArrayLike) -> list[float]:
    return [float(number) for number in np.ravel(value)]


def _text(numbers: list[float]) -> str:
    return '[' + ', '.join(f'{number:g}' for number in numbers) + ']'
