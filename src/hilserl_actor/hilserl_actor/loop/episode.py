"""Turns observations and executed actions into steps; no other module makes steps.

A step is emitted when the observation after its action has arrived. If that observation is late,
the step is dropped and the index jumps, so no transition is formed across the gap.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
import os
import time

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.observation import JointVelocity, state_vector
from hilserl_core.contract.steps import Outcome, Source, StepRecord, components_at_limit
from hilserl_core.contract.task import TaskSchema

from .interfaces import Action, Joints


@dataclass(frozen=True, eq=False)
class Sensed:
    """The measurements at one tick. Stamps: ns of the ROS clock."""

    stamp: int
    images: tuple[npt.NDArray[np.uint8], ...]  # (height, width, 3) uint8, at the task's resolution
    image_stamps: tuple[int, ...]
    position: Joints  # (6,) rad, the follower as measured
    tool: npt.NDArray[np.float64]  # (3,) m in base_link, at the measured pose
    leader: Joints | None = None  # (6,) rad, as measured; None: no leader


class Episode:
    """A running episode; `emit` receives each StepRecord."""

    def __init__(self, schema: TaskSchema, emit: Callable[[StepRecord], object], started: float):
        self.schema = schema
        self.id = time.strftime('%Y%m%dT%H%M%S', time.gmtime()) + '-' + os.urandom(4).hex()
        self.started = started  # s of the loop's clock
        self.index = 0  # index of the next step
        self.human_steps = 0
        self.steps = 0  # emitted steps with an action
        self.saturated = 0  # action components at +-1
        self.dropped = 0
        self._emit = emit
        self._pending: StepRecord | None = None
        self._dropped_step: StepRecord | None = None  # the last step, if it was dropped
        self._previous_action = np.zeros(len(schema.action_names), np.float32)
        self._velocity = JointVelocity()
        self._blank = StepRecord(
            stamp=0,
            schema_hash=schema.hash,
            episode_id=self.id,
            index=0,
            cameras=tuple(camera.name for camera in schema.cameras),
            image_stamps=(),
            images=(),
            state=np.empty(0, np.float32),
            action=np.empty(0, np.float32),
        )

    @property
    def has_step(self) -> bool:
        """Whether the last action's step waits for what follows it."""
        return self._pending is not None

    def observe(self, sensed: Sensed, reference: Joints) -> npt.NDArray[np.float32]:
        """Return the state vector (S,) float32 of this tick; reference: (6,) rad."""
        return state_vector(
            self.schema,
            sensed.position,
            reference,
            sensed.tool,
            self._previous_action,
            self._velocity.at(sensed.stamp, sensed.position),
        )

    def act(
        self,
        sensed: Sensed,
        state: npt.NDArray[np.float32],
        action: Action,
        source: Source,
        version: int,
        sigma: float,
    ) -> None:
        """Note the action that is executed after this observation."""
        self._pending = replace(
            self._blank,
            stamp=sensed.stamp,
            index=self.index,
            images=sensed.images,
            image_stamps=sensed.image_stamps,
            state=state,
            action=np.asarray(action, np.float32).copy(),
            source=source,
            policy_version=version,
            sigma=sigma,
        )
        self._dropped_step, self._previous_action = None, self._pending.action
        self.index += 1

    def follow(
        self, reward: float | None, terminated: bool = False, truncated: bool = False
    ) -> None:
        """Complete the last action's step with what followed it, and emit it."""
        if self._pending is None:
            return
        step = replace(self._pending, reward=reward, terminated=terminated, truncated=truncated)
        self._pending = None
        self.steps += 1
        self.human_steps += step.source == Source.HUMAN
        self.saturated += components_at_limit(step.action)
        self._emit(step)

    def drop(self) -> None:
        """Drop the pending step, because the observation after its action is late."""
        if self._pending is not None:
            self._pending, self._dropped_step = None, self._pending
            self.dropped += 1

    def end(self, sensed: Sensed, state: npt.NDArray[np.float32], outcome: Outcome) -> None:
        """Emit the final observation."""
        self._emit(
            replace(
                self._blank,
                stamp=sensed.stamp,
                index=self.index,
                images=sensed.images,
                image_stamps=sensed.image_stamps,
                state=state,
                last=True,
                outcome=outcome,
            )
        )

    def abort(self) -> None:
        """End without a new observation; the one before the last action becomes the final one."""
        final = self._pending or self._dropped_step
        if final is not None:
            self._emit(
                replace(
                    final,
                    action=np.empty(0, np.float32),
                    source=Source.NONE,
                    policy_version=0,
                    sigma=0.0,
                    last=True,
                )
            )
            self._pending = self._dropped_step = None
