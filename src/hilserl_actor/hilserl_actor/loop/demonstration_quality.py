"""Measures the quality of a demonstration from its steps."""

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import Outcome, StepRecord, components_at_limit
from hilserl_core.contract.task import TaskSchema
from so101_description.action_space import GRIPPER
from so101_description.joints import JOINTS

SHORT = 1.0  # s
DROPPED = 0.05  # share of steps
SATURATED = 0.5  # share of action components
STILL = 0.1  # share of moving steps
TOOL_MOVED = 0.001  # m from one step to the next
GRIPPER_MOVED = 0.01  # rad

WORDS = {
    Outcome.NONE: 'aborted',
    Outcome.SUCCESS: 'success',
    Outcome.FAILURE: 'failure',
    Outcome.TIMEOUT: 'timeout',
    Outcome.DISCARDED: 'discarded',
}


class DemonstrationQuality:
    """Figures of one episode. Add all of its records, also the final observation."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._moving = [schema.state_names.index(f'tool.{axis}') for axis in 'xyz']
        # A turn moves the tool hardly, so it shows in the joints.
        turns = set(schema.action_names) - {'dx', 'dy', 'dz', GRIPPER}
        self._turning = [schema.state_names.index(f'{j}.position') for j in JOINTS if turns]
        self._gripper = schema.state_names.index('gripper.position')
        self._records: list[tuple[int, npt.NDArray[np.float32]]] = []  # stamp, state
        self.episode_id = ''
        self.outcome = Outcome.NONE
        self.steps = self.dropped = self.saturated = 0

    def add_record(self, step: StepRecord) -> None:
        """Add a record; a record with `step.last` completes the episode."""
        self.episode_id = step.episode_id
        self._records.append((step.stamp, step.state))
        if step.last:
            self.outcome = Outcome(step.outcome)
            self.dropped = max(0, step.index - self.steps)
        else:
            self.steps += 1
            self.saturated += components_at_limit(step.action)

    @property
    def seconds(self) -> float:
        """Time from the first to the last observation, s."""
        return (self._records[-1][0] - self._records[0][0]) * 1e-9

    @property
    def saturation(self) -> float:
        """Share of action components at +-1."""
        return self.saturated / max(1, self.steps * len(self._schema.action_names))

    @property
    def moving(self) -> float:
        """Share of steps in which tool, gripper, or a joint that an action turns, moved."""
        states = np.array([state for _, state in self._records])
        change = np.abs(np.diff(states, axis=0))
        moved = (change[:, self._moving].max(1, initial=0.0) > TOOL_MOVED) | (
            change[:, [*self._turning, self._gripper]].max(1) > GRIPPER_MOVED
        )
        return float(moved.mean()) if len(moved) else 0.0

    def gaps(self) -> list[float]:
        """Times between records that are longer than 1.5 periods, s."""
        between = np.diff([stamp for stamp, _ in self._records]) * 1e-9
        return [float(gap) for gap in between if gap > 1.5 / self._schema.rate]

    def sentence(self) -> str:
        """Outcome and figures, for the operator."""
        gaps = self.gaps()
        gap = (
            f'{len(gaps)} gaps, the longest {max(gaps):.1f} s'
            if len(gaps) > 1
            else f'a gap of {gaps[0]:.1f} s'
            if gaps
            else 'no gap'
        )
        return (
            f'{WORDS[self.outcome]}, {self.steps} steps in {self.seconds:.1f} s, {gap}, '
            f'saturated {100 * self.saturation:.0f} %, moving {100 * self.moving:.0f} %'
        )

    def warnings(self) -> list[str]:
        """Return the reasons why it is a poor demonstration."""
        found = []
        if self.outcome == Outcome.TIMEOUT:
            found.append('it timed out without success')
        if self.seconds < SHORT:
            found.append(f'shorter than {SHORT:g} s')
        if self.dropped > DROPPED * self.steps:
            found.append(f'{self.dropped} steps dropped: look at camera and CPU load')
        if self.saturation > SATURATED:
            found.append('most actions at their limit: move slower')
        if self.moving < STILL:
            found.append('the arm hardly moved: is it following?')
        return found
