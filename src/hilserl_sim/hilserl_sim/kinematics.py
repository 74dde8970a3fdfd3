"""The kinematics by direct calls, instead of the FK service."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from hilserl_actor.loop.interfaces import Action, Joints
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema


class DirectKinematics:
    """The control loop's `Kinematics` interface, computed in this process."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._core = kinematics_of(schema)

    def action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> Action:
        """Action that moves the reference as the leader moved."""
        return self._core.action_between(
            leader, reference, leader_start, reference_start
        ).action.astype(np.float32)

    def ask_action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> Callable[[], Action]:
        """Return a function that computes `action`."""
        return partial(self.action, leader, reference, leader_start, reference_start)

    def joint_target(
        self, measured: Joints, reference: Joints, action: Action, hold: Joints
    ) -> Joints:
        """Joint target of an action; `hold`: what no axis acts on."""
        return self._core.joint_target(
            measured,
            reference,
            action,
            self._schema.pitch,
            self._schema.wrist_roll,
            hold=hold,
        ).q

    def solve(self, position: npt.NDArray[np.float64], seed: Joints) -> Joints:
        """Joints that bring the tool to `position` (3,) m."""
        return self._core.solve(
            position, self._schema.pitch, self._schema.wrist_roll, float(seed[5]), seed
        ).q

    def contact(self, path: npt.NDArray[np.float64]) -> str:
        """Return a sentence about the first contact on a joint path (N, 6) rad, or ''."""
        return self._core.collision.contact(path)

    def tool_position(self, joints: Joints) -> npt.NDArray[np.float64]:
        """Position (3,) m of the tool frame in base_link."""
        return self._core.tool_pose(joints)[0]
