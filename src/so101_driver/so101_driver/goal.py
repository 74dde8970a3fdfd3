"""Where one arm's servos are told to be, cycle by cycle: the limits that hold for every source.

A command only sets a target within the limits; the goal moves there at the speed limit. When
commands stop coming, the goal stays where it is: the arm keeps its pose and the gripper its grip
(its goal lies inside the object it holds, its measured position does not).
"""
import numpy as np

from .calibration import Calibration

CLAMP_TOLERANCE = 0.002  # rad, about one tick: rounding is not worth a count


class Goal:
    """Target and goal (6,) rad of one arm; times in s of one monotonic clock."""

    def __init__(self, calibration: Calibration, max_step: float, command_timeout: float,
                 locked: np.ndarray):
        self.lower, self.upper = calibration.lower, calibration.upper
        self.max_step = max_step             # rad a cycle
        self.command_timeout = command_timeout
        self.locked = locked                 # (6,) bool
        self.clamps = np.zeros(len(locked), np.int64)
        self.stale = 0
        self.position = self.target = np.zeros(len(locked))
        self.reset(self.position)

    def reset(self, measured: np.ndarray) -> None:
        """Start from a measured pose, without a command."""
        self.position, self.target = measured.copy(), measured.copy()
        self.holding, self._commanded_at = True, -np.inf

    def command(self, target: np.ndarray, now: float) -> None:
        """Take a finite target (6,); out of limits is clamped and counted, locked ignored."""
        clipped = np.clip(target, self.lower, self.upper)
        self.clamps += np.abs(clipped - target) > CLAMP_TOLERANCE
        self.target = np.where(self.locked, self.position, clipped)
        self.holding, self._commanded_at = False, now

    def advance(self, now: float, max_step=None) -> np.ndarray:
        """The goal (6,) of this cycle; `max_step` (scalar or (6,)) may only slow it down."""
        if not self.holding and now - self._commanded_at > self.command_timeout:
            self.holding = True
            self.stale += 1
            self.target = self.position.copy()
        step = self.max_step if max_step is None else np.minimum(max_step, self.max_step)
        self.position = self.position + np.clip(self.target - self.position, -step, step)
        return self.position
