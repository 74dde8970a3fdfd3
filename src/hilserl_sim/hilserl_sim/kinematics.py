"""The kinematics by direct calls, instead of the FK service."""

from functools import partial

import numpy as np

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema


class DirectKinematics:
    """The control loop's `Kinematics` interface, computed in this process."""

    def __init__(self, schema: TaskSchema):
        self._schema = schema
        self._core = kinematics_of(schema)

    def action(self, leader, reference, leader_start, reference_start) -> np.ndarray:
        """Action (4,) that moves the reference as the leader moved."""
        return self._core.action_between(
            leader, reference, leader_start, reference_start
        ).action.astype(np.float32)

    def ask_action(self, leader, reference, leader_start, reference_start):
        """Return a function that computes `action`."""
        return partial(self.action, leader, reference, leader_start, reference_start)

    def joint_target(self, measured, reference, action) -> np.ndarray:
        """Joint target (6,) rad of an action."""
        return self._core.joint_target(
            measured, reference, action, self._schema.pitch, self._schema.wrist_roll
        ).q

    def solve(self, position, seed) -> np.ndarray:
        """Joints (6,) rad that bring the tool to `position` (3,) m."""
        return self._core.solve(
            position, self._schema.pitch, self._schema.wrist_roll, float(seed[5]), seed
        ).q

    def tool_position(self, joints) -> np.ndarray:
        """Position (3,) m of the tool frame in base_link at joints (6,) rad."""
        return self._core.tool_pose(joints)[0]
