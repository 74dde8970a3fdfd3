"""Converts simulated joint angles to encoder ticks with LeRobot's calibration file.

The emulator reads the file independently of the driver. If one of them misreads it, the tests
show different angles.
"""

from dataclasses import dataclass
import json
import math
from pathlib import Path

from so101_description.joints import GRIPPER_CLOSED, GRIPPER_OPEN

from .sts3215 import TICKS_PER_TURN


@dataclass(frozen=True)
class JointTicks:
    """Tick map of one joint (bus ticks = encoder ticks - homing_offset)."""

    id: int
    homing_offset: int
    range_min: int
    range_max: int
    is_gripper: bool

    @property
    def _zero(self) -> float:
        if self.is_gripper:
            return self.range_min - GRIPPER_CLOSED / self.rad_per_tick
        return (self.range_min + self.range_max) / 2

    @property
    def rad_per_tick(self) -> float:
        """Joint angle of one tick; the gripper's range is scaled to the model's."""
        if self.is_gripper:
            return (GRIPPER_OPEN - GRIPPER_CLOSED) / (self.range_max - self.range_min)
        return 2 * math.pi / TICKS_PER_TURN

    def encoder(self, angle: float) -> float:
        """Return the encoder ticks (continuous) of a joint angle in rad."""
        return angle / self.rad_per_tick + self._zero + self.homing_offset

    def angle(self, encoder: float) -> float:
        """Return the joint angle in rad of encoder ticks."""
        return (encoder - self.homing_offset - self._zero) * self.rad_per_tick


def load_joint_ticks(path: str | Path) -> dict[str, JointTicks]:
    """Return the tick maps by joint name of a LeRobot calibration file."""
    with open(path, encoding='utf-8') as file:
        joints = json.load(file)
    return {
        name: JointTicks(
            entry['id'],
            entry['homing_offset'],
            entry['range_min'],
            entry['range_max'],
            is_gripper=name == 'gripper',
        )
        for name, entry in joints.items()
    }
