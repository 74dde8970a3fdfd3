"""Watches whether the joints of one arm follow; the setpoint of a blocked one stays near it.

The setpoint may lead a joint by `setpoint_lead`: what load and lag explain. The lead of a blocked
joint is shortened until its servo pushes below its torque limit, and the arm moves as in an
alignment. So the joint does not snap when it is released. The gripper is left out: its setpoint
lies inside the object that it holds.
"""

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS, Floats

from .servo import Telemetry
from .setpoint import GRIPPER, SAG, STILL, Setpoint

PERIOD = 0.025  # s between two looks
HARD, EASY = 0.6, 0.5  # share of the full drive; the servos' limit is 0.7, holding takes 0.3
PATIENCE = 0.1  # s of such load at standstill before the lead is shortened
RETREAT = 1.0  # rad/s by which it is shortened
RECOVERY = 0.5  # rad/s by which it grows again
CAUTIOUS = 0.1  # rad/s by which it grows while the joint is blocked
BLOCKED = 0.4  # s at standstill, with such load or the whole lead, after which it is reported
ARM = slice(0, GRIPPER)
NEAR = 0.01  # rad from the whole lead
REASON = 'commanded but not moving: blocked, or its torque is off'


class Following:
    """Sets `setpoint.lead`. blocked: (6,) bool, joints that do not follow now."""

    def __init__(self, setpoint: Setpoint):
        self._setpoint = setpoint
        self._looked_at, self._clear = 0.0, True  # clear: no joint is short of its lead
        self._hard, self._stuck = np.zeros(len(JOINTS)), np.zeros(len(JOINTS))  # s
        self.blocked: npt.NDArray[np.bool_] = np.zeros(len(JOINTS), bool)

    def due(self, now: float) -> bool:
        """Return whether it is time for the next `update`. now: monotonic s."""
        return now - self._looked_at >= PERIOD

    def update(
        self, now: float, measured: Floats, telemetry: Telemetry, scale: Floats
    ) -> list[str]:
        """Adapt the leads; return the joints that are newly blocked.

        measured: (6,) rad. scale: (6,) rad per tick.
        """
        period, self._looked_at = min(now - self._looked_at, 2 * PERIOD), now
        setpoint, most = self._setpoint, self._setpoint.limits.setpoint_lead
        lead, drive = setpoint.lead, np.abs(telemetry.load)
        ahead = np.abs(setpoint.position - measured)
        if self._clear and drive[ARM].max() < EASY and ahead[ARM].max() < most - NEAR:
            return []  # the usual case, quickly
        still = np.abs(telemetry.velocity * scale) < STILL
        wanted = still & (np.abs(setpoint.target - measured) > SAG)
        short = lead < most - NEAR
        self._hard = np.where(still & (drive > HARD), self._hard + period, 0.0)
        stuck = wanted & ((drive > EASY) | (ahead > most - NEAR))
        self._stuck = np.where(stuck, self._stuck + period, self._stuck * (wanted & short))
        late, before = self._stuck > BLOCKED, self.blocked
        self.blocked = wanted & late
        self.blocked[GRIPPER] = False
        shorter = np.maximum(np.minimum(lead, ahead) - RETREAT * period, 0.0)
        rate = np.where(self.blocked, CAUTIOUS, RECOVERY)
        grown = np.where(drive < EASY, np.minimum(lead + rate * period, most), lead)
        # without hard load, the weight of the arm can explain SAG
        less = np.maximum(lead - RETREAT * period, SAG)
        grown = np.where(self.blocked, np.minimum(grown, less), grown)
        hard = self._hard > PATIENCE
        setpoint.lead = np.where(hard, shorter, grown)
        setpoint.lead[GRIPPER] = np.inf
        hard[GRIPPER] = False
        self._clear = bool((setpoint.lead >= most).all() and not self._stuck.any())
        if hard.any() or self.blocked.any():
            setpoint.slow()
        return [JOINTS[i] for i in np.flatnonzero(self.blocked & ~before)]

    def reset(self) -> None:
        """Forget the past, without torque."""
        if self._clear:
            return
        self._clear = True
        self.blocked = np.zeros(len(JOINTS), bool)
        self._hard, self._stuck = np.zeros(len(JOINTS)), np.zeros(len(JOINTS))
        self._setpoint.reset_lead()

    def sentence(self) -> str:
        """Return the joints that do not follow, with the reason; '' if all do."""
        joints = ', '.join(JOINTS[i] for i in np.flatnonzero(self.blocked))
        return f'{joints} {REASON}' if joints else ''
