"""Runs the episodes of the control loop: acts, records each step, and ends with an outcome.

The actions of human and policy are handled alike: `TaskSchema.executed` clips the action and
rounds a discrete gripper, the kinematics turns it into a joint target, the target is sent, and the
step is stored. If a computation fails, nothing is executed and nothing is stored.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.modes import Mode

from .arm_commands import ArmCommands
from .decision import Decider
from .episode import Episode, Sensed
from .episode_stats import EpisodeStats
from .interfaces import Joints, Kinematics, RewardSignal

_OUTCOMES = {
    'success': Outcome.SUCCESS,
    'failure': Outcome.FAILURE,
    'timeout': Outcome.TIMEOUT,
    'discard': Outcome.DISCARDED,
    'fault': Outcome.NONE,
    'pause': Outcome.NONE,
    'estop': Outcome.NONE,
}
TERMINAL = ('success', 'failure')


class EpisodeRunner:
    """One episode after another; for the loop's thread only. clock: steady, s."""

    def __init__(
        self,
        schema: TaskSchema,
        kinematics: Kinematics,
        arms: ArmCommands,
        decider: Decider,
        emit: Callable[[StepRecord], object],
        clock: Callable[[], float],
    ):
        self._schema, self._kinematics, self._arms = schema, kinematics, arms
        self._decider, self._emit, self._clock = decider, emit, clock
        self.stats = EpisodeStats()
        self.dropped = 0  # steps, in the episodes that have ended
        self.running: Episode | None = None
        self._start: Joints | None = None  # (6,) rad, at which the episode began
        self._late: tuple[str, str] | None = None  # an outcome that waits for a step

    @property
    def _episode(self) -> Episode:
        assert self.running is not None  # the caller checks the mode
        return self.running

    def begin(self) -> None:
        """Begin an episode."""
        self.running = Episode(self._schema, self._emit, self._clock())
        self._start = self._arms.reference.copy()
        self._late = None

    def observe(self, sensed: Sensed) -> npt.NDArray[np.float32]:
        """Return the state vector (S,) of this tick."""
        return self._episode.observe(sensed, self._arms.reference)

    def ending(
        self, requests: list[tuple[str, str]], reward_signal: RewardSignal
    ) -> tuple[str, str] | None:
        """Return the event that ends the episode now, with its cause; None: it goes on.

        Success and failure are the reward of a step. If the last step was dropped, they wait for
        the next one.
        """
        found = self._found_ending(requests, reward_signal)
        if self._late is not None and (found is None or found[0] in (*TERMINAL, 'timeout')):
            found = self._late
        if found is None or found[0] not in TERMINAL or self._episode.has_step:
            return found
        self._late = found
        return None

    def _found_ending(
        self, requests: list[tuple[str, str]], reward_signal: RewardSignal
    ) -> tuple[str, str] | None:
        for event, cause in requests:
            if event in _OUTCOMES:
                return event, cause
        if reward_signal.success:
            return 'success', 'the reward source reports success'
        if self._episode.index >= self._schema.max_steps:
            return 'timeout', f'{self._schema.max_steps} steps'
        return None

    def follow(self, reward_signal: RewardSignal) -> None:
        """Complete the last action's step; the episode goes on."""
        self._episode.follow(reward_signal.reward)

    def act(
        self, mode: Mode, sensed: Sensed, state: npt.NDArray[np.float32], env_steps: int
    ) -> None:
        """Decide an action and execute it; env_steps: steps of the run. Raises CellError."""
        reference = self._arms.reference
        decision = self._decider.decide(mode, sensed, state, reference, env_steps)
        action = self._schema.executed(decision.action)
        assert self._start is not None  # set with the episode
        self._arms.move(
            self._kinematics.joint_target(sensed.position, reference, action, self._start)
        )
        self._episode.act(sensed, state, action, decision.source, decision.version, decision.sigma)

    def drop(self) -> None:
        """Drop the last action's step, if an episode runs."""
        if self.running is not None:
            self.running.drop()

    def finish(
        self,
        sensed: Sensed,
        state: npt.NDArray[np.float32],
        reward_signal: RewardSignal,
        event: str,
    ) -> None:
        """End the episode by `event` with this observation, and add it to the statistics."""
        episode, outcome = self._episode, _OUTCOMES[event]
        # A marked outcome sets the reward; without a mark the reward signal sets it.
        reward = {'success': 1.0, 'failure': 0.0}.get(event, reward_signal.reward)
        episode.follow(reward, terminated=event in TERMINAL, truncated=event not in TERMINAL)
        episode.end(sensed, state, outcome)
        self.stats.add(episode, outcome, self._clock() - episode.started)
        self._forget(episode)

    def abort(self) -> None:
        """End the episode, if one runs; its last observation becomes the final one."""
        if self.running is not None:
            self.running.abort()
            self._forget(self.running)

    def _forget(self, episode: Episode) -> None:
        self.dropped += episode.dropped
        self.running = None
