"""The interfaces of the control loop to FK service, driver and reward source, without ROS."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from so101_node.errors import CellError


class KinematicsLost(CellError):
    """The FK service did not answer in time."""


class Kinematics(Protocol):
    """The FK service for the loop. Joints (6,) rad. Raises KinematicsLost without an answer."""

    def action(self, leader, reference, leader_start, reference_start) -> np.ndarray:
        """Return the action of the leader's motion."""
        ...

    def ask_action(self, leader, reference, leader_start, reference_start):
        """Request `action`; return the function that waits for it."""

    def joint_target(self, measured, reference, action) -> np.ndarray:
        """Return the joints (6,) that an action leads to."""
        ...

    def solve(self, position, seed) -> np.ndarray:
        """Return the joints (6,) that bring the tool to a position (3,) m."""
        ...


class Arms(Protocol):
    """The driver for the loop. Joints (6,) rad. No method blocks."""

    def command(self, arm: str, target: np.ndarray) -> None:
        """Send a joint target (6,)."""
        ...

    def set_torque(self, arm: str, on: bool) -> None:
        """Switch the torque of an arm on or off."""
        ...

    def command_accepted(self) -> bool:
        """Return whether the driver reports that it executes the follower's last command."""


@dataclass(frozen=True)
class RewardSignal:
    """The latest reward and success from the reward source. reward None: unknown."""

    reward: float | None = None
    success: bool = False
