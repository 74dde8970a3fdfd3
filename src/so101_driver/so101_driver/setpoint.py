"""The setpoint of one arm, cycle by cycle, with the limits that hold for every source of commands.

A command sets a target within the limits; the setpoint moves there at the speed limit. Without
commands, the setpoint moves slowly to the measured pose; the gripper keeps its grip, because its
setpoint lies inside the object that it holds. After `rest_after` the arm goes to rest.
"""

from dataclasses import dataclass

import numpy as np

from so101_description.joints import JOINTS

from .calibration import Calibration

CLAMP_TOLERANCE = 0.002  # rad, about one tick: rounding is not counted
ALIGNED = 0.05  # rad
SOFT_SPEED = 0.3  # rad/s, to the held pose and to rest, without commands
LIFT = JOINTS.index('shoulder_lift')
GRIPPER = JOINTS.index('gripper')


@dataclass(frozen=True)
class Limits:
    """Limits of an arm's motion. Speeds in rad/s, times in s."""

    max_speed: float
    align_speed: float  # from torque on until the first target is reached
    command_timeout: float
    rest_after: float  # time without commands; only for an arm with a rest pose
    locked: np.ndarray  # (6,) bool
    rest: np.ndarray | None  # (6,) rad


class Setpoint:
    """Setpoint `position` (6,) rad of one arm, and its `target`. Times in s, monotonic."""

    def __init__(self, calibration: Calibration, limits: Limits, rate: float):
        self.lower, self.upper = calibration.lower, calibration.upper
        self.limits, self._rate = limits, rate
        self.clamps = np.zeros(len(JOINTS), np.int64)
        self.stale = 0
        self.reset(np.zeros(len(JOINTS)), 0.0)

    def reset(self, measured: np.ndarray, now: float) -> None:
        """Start at a measured pose (6,) rad, without a command."""
        self.position, self.target = measured.copy(), measured.copy()
        self.holding, self.resting, self.aligned = True, False, False
        self._commanded_at = now

    def command(self, target: np.ndarray, now: float) -> None:
        """Set a finite target (6,) rad. Clamp it to the limits, count that, keep locked joints."""
        clipped = np.clip(target, self.lower, self.upper)
        self.clamps += np.abs(clipped - target) > CLAMP_TOLERANCE
        self.target = np.where(self.limits.locked, self.position, clipped)
        self.holding, self.resting, self._commanded_at = False, False, now

    def hold(self, measured: np.ndarray) -> None:
        """Move slowly to a measured pose (6,) rad; the gripper's setpoint stays."""
        self.holding, self.resting = True, False
        pose = np.clip(measured, self.lower, self.upper)
        pose[GRIPPER] = self.position[GRIPPER]
        self.target = np.where(self.limits.locked, self.position, pose)

    def loosen(self, measured: float, squeeze: float) -> None:
        """Bring the gripper's setpoint within `squeeze` rad of its measured angle (rad)."""
        position, target = self.position.copy(), self.target.copy()
        for angles in (position, target):
            angles[GRIPPER] = np.clip(angles[GRIPPER], measured - squeeze, measured + squeeze)
        self.position, self.target = position, target

    def rest(self) -> None:
        """Go to rest from now on, if the arm has a rest pose."""
        if self.limits.rest is not None:
            self.resting = True
            self._lift = abs(self.limits.rest[LIFT] - self.position[LIFT])

    def advance(self, now: float, measured: np.ndarray, speed=None) -> np.ndarray:
        """Return the setpoint (6,) rad of this cycle. speed: rad/s, can only lower the limit."""
        idle = now - self._commanded_at
        if not self.holding and idle > self.limits.command_timeout:
            self.stale += 1
            self.hold(measured)
        if self.holding and not self.resting and idle > self.limits.rest_after:
            self.rest()
        if self.resting:
            self.target = self._rest_target()
        away = self.target - self.position
        if not (self.holding or self.aligned):
            self.aligned = np.abs(away).max() < ALIGNED
        step = self._speed(speed) / self._rate
        self.position = self.position + np.maximum(np.minimum(away, step), -step)
        return self.position

    def _speed(self, speed) -> float:
        limit = self.limits.max_speed
        if speed is None and self.holding:
            speed = SOFT_SPEED
        elif speed is None and not self.aligned:
            speed = self.limits.align_speed
        return limit if speed is None else min(speed, limit)

    def _rest_target(self) -> np.ndarray:
        """Return the next target on the way to rest; the gripper stays.

        The shoulder lifts first. If all joints moved at once, a low arm would press on the table.
        """
        target = np.array(self.limits.rest)
        target[GRIPPER] = self.position[GRIPPER]
        if abs(target[LIFT] - self.position[LIFT]) > 0.5 * self._lift:
            lift, target = target[LIFT], self.position.copy()
            target[LIFT] = lift
        return np.where(self.limits.locked, self.position, target)
