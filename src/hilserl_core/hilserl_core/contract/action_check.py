"""Whether an episode's actions can be what moved its arm.

The losses do not show zero actions (a policy cloned from them has a loss of 0.0000); the arm's
own motion does.
"""

import numpy as np

from .steps import StepRecord
from .task import TaskSchema

MOVED = 0.005  # m; less is servo play
SHARE = 0.25  # of the motion that the actions must at least add up to
FAR = 0.02  # m; so far a constant action moves the tool its own way
ALIKE = 1e-6  # actions that differ by less are one
MANY = 5  # so many equal actions in a row are a constant
ASTRAY = 0.5  # cosine between a constant action and the motion, below which it is not its


class ActionCheck:
    """Fed an episode's steps, knows how far the tool moved and how far it was told to."""

    def __init__(self, schema: TaskSchema):
        self._tool_at = [schema.state_names.index(f'tool.{axis}') for axis in 'xyz']
        self._scale = schema.action_scale
        self._states: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []

    def add(self, step: StepRecord) -> None:
        """Take a step into account."""
        self._states.append(step.state)
        if not step.last:
            self._actions.append(step.action)

    def problem(self) -> str:
        """Why these actions cannot be right, or ''."""
        if not self._actions:
            return ''
        tool = np.array(self._states)[:, self._tool_at]
        actions = np.array(self._actions)[:, :3]
        moved = float(np.linalg.norm(tool.max(0) - tool.min(0)))
        commanded = self._scale * float(np.linalg.norm(actions, axis=1).sum())
        if moved > MOVED and commanded < SHARE * moved:
            return (
                f'its tool moved {1000 * moved:.0f} mm while its actions add up to '
                f'{1000 * commanded:.0f} mm: these are not the actions that moved it'
            )
        if moved > FAR and len(actions) >= MANY and np.ptp(actions, axis=0).max() < ALIKE:
            way, action = tool[-1] - tool[0], actions[0]
            along = way @ action / max(np.linalg.norm(way) * np.linalg.norm(action), 1e-9)
            if along < ASTRAY:
                return (
                    f'all its {len(actions)} actions are {np.round(action, 3).tolist()} '
                    f'while its tool moved {1000 * moved:.0f} mm another way: these are not '
                    'the actions that moved it'
                )
        return ''
