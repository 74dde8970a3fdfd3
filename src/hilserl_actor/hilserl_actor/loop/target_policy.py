"""A policy of another program, which gives joint targets (LeRobot), as one that drives.

Its target becomes an action as a leader's pose does: the one function of the kinematics computes
it. So the same limits hold, and what is executed is what is stored.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.task import TaskSchema

from .episode import Sensed
from .interfaces import Action, Joints, Kinematics


class PolicyTargets(Protocol):
    """The other program for the loop."""

    def ready(self) -> bool:
        """Return whether it can be asked."""
        ...

    def ask(self, sensed: Sensed, new: bool) -> Joints:
        """Return the joint target (6,) rad for an observation.

        new: forget what was planned before. CellError if the answer is late, or none.
        """
        ...


class TargetPolicy:
    """Has what the loop uses of a `hilserl_core` policy, without exploration noise.

    name, sha256: of the policy, for reports. For the loop's thread only.
    """

    version = updates = env_steps = 0  # it has none of them

    def __init__(
        self,
        schema: TaskSchema,
        name: str,
        sha256: str,
        targets: PolicyTargets,
        kinematics: Kinematics,
    ):
        self.schema, self.name, self.sha256 = schema, name, sha256
        self._targets, self._kinematics = targets, kinematics
        self._new = True  # what the other program planned is of no use any more

    def problem(self) -> str:
        """Return why it cannot drive yet, or ''."""
        return '' if self._targets.ready() else f'{self.name} is still being loaded'

    def reset(self) -> None:
        """Begin an episode."""
        self._new = True

    def note(self, images: list[npt.NDArray[np.uint8]]) -> None:
        """Note that a human decides this step."""
        self._new = True

    def prepare(self, images: list[npt.NDArray[np.uint8]]) -> None:
        """Do nothing: it is asked in the tick, with the joints of the tick."""

    def action(self, sensed: Sensed, reference: Joints) -> Action:
        """Return the action (A,) in [-1, 1] from `reference`, (6,) rad, to the policy's target.

        CellError if there is no answer in time: the arm then holds.
        """
        target = self._targets.ask(sensed, self._new)
        self._new = False
        action = self._kinematics.action(target, reference, reference, reference)
        return np.clip(action, -1.0, 1.0).astype(np.float32)
