"""Checks that an episode's recorded actions can have caused the motion of its arm.

Losses do not reveal zero actions: a policy cloned from them has a loss of 0.0000. The measured
motion of the arm reveals them.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from so101_description.action_space import GRIPPER, TRANSLATIONS
from so101_description.joints import JOINTS

from .steps import StepRecord
from .task import TaskSchema

MIN_MOTION = 0.005  # m; smaller motions can be servo play
MIN_SHARE = 0.25  # the actions must add up to at least this share of the motion
MIN_CONSTANT_MOTION = 0.02  # m; over this distance the tool follows a constant action
MIN_TURN, MIN_CONSTANT_TURN = 0.1, 0.3  # rad, the same of a joint, which also yields to a load
EQUAL_ACTIONS = 1e-6  # actions that differ by less are equal
MIN_CONSTANT_STEPS = 5  # fewer equal actions may be chance
MIN_COSINE = 0.5  # between a constant action and the motion that it causes


class _Group(NamedTuple):
    """Axes that move one thing together."""

    what: str
    states: list[int]  # where the state has what they move
    actions: list[int]
    scales: npt.NDArray[np.float64]  # m or rad
    is_angle: bool

    def text(self, distance: float) -> str:
        return f'{distance:.2f} rad' if self.is_angle else f'{1000 * distance:.0f} mm'


class ActionCheck:
    """Compares how far tool and joints moved with how far the actions commanded them to move.

    What no axis acts on is left out, and so is the pitch, which a joint limit may change.
    """

    def __init__(self, schema: TaskSchema):
        self._groups = _groups(schema)
        self._states: list[npt.NDArray[np.float32]] = []
        self._actions: list[npt.NDArray[np.float32]] = []

    def add_step(self, step: StepRecord) -> None:
        """Add the next step of the episode."""
        self._states.append(step.state)
        if not step.last:
            self._actions.append(step.action)

    def problem(self) -> str:
        """Return why these actions cannot be right, or ''."""
        if not self._actions:
            return ''
        states, actions = np.array(self._states), np.array(self._actions)
        problems = (_problem(group, states, actions) for group in self._groups)
        return next(filter(None, problems), '')


def _groups(schema: TaskSchema) -> list[_Group]:
    space = schema.action_space
    of = {f'd{axis}': f'tool.{axis}' for axis in 'xyz'}
    of |= {'droll': 'wrist_roll.position'}
    of |= {joint: f'{joint}.position' for joint in JOINTS if joint != GRIPPER}
    tool = [name for name in space.names if name in TRANSLATIONS]
    turned = [name for name in space.names if name in of and name not in tool]
    return [
        _Group(
            'tool' if axes == tool else of[axes[0]].removesuffix('.position'),
            [schema.state_names.index(of[name]) for name in axes],
            [space.names.index(name) for name in axes],
            np.array([space.scales[space.names.index(name)] for name in axes]),
            axes != tool,
        )
        for axes in ([tool] if tool else []) + [[name] for name in turned]
    ]


def _problem(
    group: _Group, states: npt.NDArray[np.float32], actions: npt.NDArray[np.float32]
) -> str:
    at, actions = states[:, group.states], actions[:, group.actions]
    moved = float(np.linalg.norm(at.max(0) - at.min(0)))
    commanded = float(np.linalg.norm(actions * group.scales, axis=1).sum())
    least, least_constant = (
        (MIN_TURN, MIN_CONSTANT_TURN) if group.is_angle else (MIN_MOTION, MIN_CONSTANT_MOTION)
    )
    if moved > least and commanded < MIN_SHARE * moved:
        return (
            f'its {group.what} moved {group.text(moved)}, but its actions add up to '
            f'{group.text(commanded)}: other actions moved it'
        )
    if (
        moved > least_constant
        and len(actions) >= MIN_CONSTANT_STEPS
        and np.ptp(actions, axis=0).max() < EQUAL_ACTIONS
    ):
        motion, action = at[-1] - at[0], actions[0] * group.scales
        cosine = motion @ action / max(np.linalg.norm(motion) * np.linalg.norm(action), 1e-9)
        if cosine < MIN_COSINE:
            return (
                f'all its {len(actions)} actions are {np.round(actions[0], 3).tolist()} '
                f'but its {group.what} moved {group.text(moved)} in another direction: other '
                'actions moved it'
            )
    return ''
