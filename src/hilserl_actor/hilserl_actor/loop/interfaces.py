"""What the control loop needs from outside, so that its core runs without ROS."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from so101_node.errors import CellError


class KinematicsLost(CellError):
    """The FK service did not answer in time."""


class Kinematics(Protocol):
    """The FK service as the loop sees it. Joints (6,) rad; KinematicsLost if it is silent."""

    def action(self, leader, reference, leader_start, reference_start) -> np.ndarray:
        """Return the action of the leader's motion."""
        ...

    def ask_action(self, leader, reference, leader_start, reference_start):
        """Ask for `action`; returns the function that waits for it."""

    def joint_target(self, measured, reference, action) -> np.ndarray:
        """Return the joints (6,) that an action leads to."""
        ...

    def solve(self, position, seed) -> np.ndarray:
        """Return joints (6,) with the tool at a position."""
        ...


class Arms(Protocol):
    """The driver as the loop sees it. Joints (6,) rad; none of these waits."""

    def command(self, arm: str, target: np.ndarray) -> None:
        """Send a joint target (6,)."""
        ...

    def set_torque(self, arm: str, on: bool) -> None:
        """Switch the torque of an arm."""
        ...

    def command_accepted(self) -> bool:
        """Whether the driver says that the follower's last command moves it."""


@dataclass(frozen=True)
class RewardSignal:
    """What the reward source says of the present moment; None: not known."""

    reward: float | None = None
    success: bool = False
