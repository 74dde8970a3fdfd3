"""Whether an episode's actions can be what moved its arm.

The losses do not show zero actions (a policy cloned from them has a loss of 0.0000); the arm's
own motion does.
"""
import numpy as np

from .steps import StepRecord
from .task import TaskSchema

MOVED = 0.005       # m; less is servo play
SHARE = 0.25        # of the motion that the actions must at least add up to


class ActionCheck:
    """Fed an episode's steps, knows how far the tool moved and how far it was told to."""

    def __init__(self, schema: TaskSchema):
        self._tool = [schema.state_names.index(f'tool.{axis}') for axis in 'xyz']
        self._scale = schema.action_scale
        self._low, self._high = np.full(3, np.inf), np.full(3, -np.inf)
        self._commanded = 0.0

    def add(self, step: StepRecord) -> None:
        """Take a step into account."""
        tool = step.state[self._tool]
        self._low, self._high = np.minimum(self._low, tool), np.maximum(self._high, tool)
        if not step.last:
            self._commanded += self._scale * float(np.linalg.norm(step.action[:3]))

    def problem(self) -> str:
        """Why these actions cannot be right, or ''."""
        moved = float(np.linalg.norm(np.maximum(self._high - self._low, 0.0)))
        if moved > MOVED and self._commanded < SHARE * moved:
            return (f'its tool moved {1000 * moved:.0f} mm while its actions add up to '
                    f'{1000 * self._commanded:.0f} mm: these are not the actions that moved it')
        return ''
