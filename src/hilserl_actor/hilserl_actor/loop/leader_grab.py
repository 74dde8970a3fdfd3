"""Detects when the operator grabs or releases the mirroring leader.

The mirroring leader lags behind its commands, but it stays between the last few of them. If it is
elsewhere, the operator pushes it: a grab. During the intervention the leader has no torque; if it
does not move for a while, the operator has released it.
"""

from collections import deque

import numpy as np

from .interfaces import Joints

PUSHED = 0.08  # rad beyond its commands; a loaded servo stays up to 0.045 short of its setpoint
ALIGNED = 0.05  # rad; a leader this near to its commands arms the detection
PUSHED_TIME = 0.1  # s from the first to the last tick that measures the push
COMMANDS_TIME = 0.4  # s of commands that a lagging servo may still be between
STILL = 0.02  # rad; less motion than this counts as none
STILL_TIME = 1.5  # s


class LeaderGrab:
    """Detects grab and release of one leader; update it at each tick."""

    def __init__(self, rate: float):
        self._still_limit = round(STILL_TIME * rate)
        self._pushed_limit = 1 + round(PUSHED_TIME * rate)
        self._commands_length = max(2, round(COMMANDS_TIME * rate))
        self._commands: deque[Joints] = deque(maxlen=self._commands_length)
        self.reset()

    def reset(self) -> None:
        """Start again after a change of mode."""
        self._commands.clear()
        self._armed = False
        self._pushed = self._still = 0
        self._still_position: Joints | None = None

    def note_command(self, target: Joints) -> None:
        """Note a command to the leader, (6,) rad."""
        self._commands.append(np.array(target, np.float64))

    def grabbed(self, leader: Joints) -> bool:
        """Return whether the operator pushes the mirroring leader; leader: measured, (6,) rad."""
        if len(self._commands) < self._commands_length:
            return False
        commands = np.array(self._commands)
        beyond = float(np.maximum(commands.min(0) - leader, leader - commands.max(0)).max())
        if beyond < ALIGNED:
            self._armed = True
        self._pushed = self._pushed + 1 if self._armed and beyond > PUSHED else 0
        return self._pushed >= self._pushed_limit

    def released(self, leader: Joints) -> bool:
        """Return whether the leader did not move for STILL_TIME; leader: measured, (6,) rad."""
        if (
            self._still_position is None
            or float(np.abs(leader - self._still_position).max()) > STILL
        ):
            self._still_position, self._still = np.array(leader, np.float64), 0
        else:
            self._still += 1
        return self._still >= self._still_limit
