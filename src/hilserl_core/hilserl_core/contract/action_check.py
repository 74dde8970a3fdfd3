"""Checks that an episode's recorded actions can have caused the motion of its arm.

Losses do not reveal zero actions: a policy cloned from them has a loss of 0.0000. The measured
motion of the arm reveals them.
"""

import numpy as np
import numpy.typing as npt

from .steps import StepRecord
from .task import TaskSchema

MIN_MOTION = 0.005  # m; smaller motions can be servo play
MIN_SHARE = 0.25  # the actions must add up to at least this share of the motion
MIN_CONSTANT_MOTION = 0.02  # m; over this distance the tool follows a constant action
EQUAL_ACTIONS = 1e-6  # actions that differ by less are equal
MIN_CONSTANT_STEPS = 5  # fewer equal actions may be chance
MIN_COSINE = 0.5  # between a constant action and the motion that it causes


class ActionCheck:
    """Compares how far the tool moved with how far the actions commanded it to move."""

    def __init__(self, schema: TaskSchema):
        self._tool_at = [schema.state_names.index(f'tool.{axis}') for axis in 'xyz']
        self._scale = schema.action_scale
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
        tool = np.array(self._states)[:, self._tool_at]
        actions = np.array(self._actions)[:, :3]
        moved = float(np.linalg.norm(tool.max(0) - tool.min(0)))
        commanded = self._scale * float(np.linalg.norm(actions, axis=1).sum())
        if moved > MIN_MOTION and commanded < MIN_SHARE * moved:
            return (
                f'its tool moved {1000 * moved:.0f} mm, but its actions add up to '
                f'{1000 * commanded:.0f} mm: other actions moved it'
            )
        if (
            moved > MIN_CONSTANT_MOTION
            and len(actions) >= MIN_CONSTANT_STEPS
            and np.ptp(actions, axis=0).max() < EQUAL_ACTIONS
        ):
            motion, action = tool[-1] - tool[0], actions[0]
            cosine = motion @ action / max(np.linalg.norm(motion) * np.linalg.norm(action), 1e-9)
            if cosine < MIN_COSINE:
                return (
                    f'all its {len(actions)} actions are {np.round(action, 3).tolist()} '
                    f'but its tool moved {1000 * moved:.0f} mm in another direction: other '
                    'actions moved it'
                )
        return ''
