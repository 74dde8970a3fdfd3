"""The interfaces of the control loop to FK service, driver and reward source, without ROS."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

Joints = npt.NDArray[np.float64]  # (6,) rad
Action = npt.NDArray[np.float32]  # (A,), each component in [-1, 1]


class KinematicsLost(CellError):
    """The FK service did not answer in time."""


class Kinematics(Protocol):
    """The FK service for the loop. Joints (6,) rad. Raises KinematicsLost without an answer."""

    def action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> Action:
        """Return the action of the leader's motion."""
        ...

    def ask_action(
        self, leader: Joints, reference: Joints, leader_start: Joints, reference_start: Joints
    ) -> Callable[[], Action]:
        """Request `action`; return the function that waits for it."""
        ...

    def joint_target(
        self, measured: Joints, reference: Joints, action: Action, hold: Joints
    ) -> Joints:
        """Return the joints (6,) that an action leads to; `hold`: what no axis acts on."""
        ...

    def solve(self, position: npt.NDArray[np.float64], seed: Joints) -> Joints:
        """Return the joints (6,) that bring the tool to a position (3,) m."""
        ...

    def contact(self, path: npt.NDArray[np.float64]) -> str:
        """Return a sentence about the first contact on a joint path (N, 6), or ''."""
        ...


class Arms(Protocol):
    """The driver for the loop. Joints (6,) rad. No method blocks."""

    def command(self, arm: str, target: Joints) -> None:
        """Send a joint target (6,)."""
        ...

    def set_torque(self, arm: str, on: bool) -> None:
        """Switch the torque of an arm on or off."""
        ...

    def stop(self) -> None:
        """Ask the driver for its stop: the arms hold until an operator ends it."""
        ...

    def take_command(self) -> bool:
        """Ask the driver to obey this actor; return whether it could be asked."""
        ...

    def command_accepted(self) -> bool:
        """Return whether the driver reports that it executes the follower's last command."""
        ...


@dataclass(frozen=True)
class RewardSignal:
    """The latest reward and success from the reward source. reward None: unknown."""

    reward: float | None = None
    success: bool = False
