"""How one arm obeys the stop in force: it holds where it is, or its torque goes off.

Not thread-safe: the control thread of the arm uses it.
"""

import time

from so101_description.joints import Floats

from .servos import Servos
from .setpoint import Setpoint
from .settling import Settling
from .stop import Stop, StopLatch
from .torque import Torque

RELEASE_RETRY = 0.1  # s between attempts to release servos that did not obey


class StoppedArm:
    """Brings the stop of `latch` to the servos of one arm."""

    def __init__(self, latch: StopLatch, servos: Servos, setpoint: Setpoint, torque: Torque):
        self._latch, self._servos, self._setpoint, self._torque = latch, servos, setpoint, torque
        self._settling = Settling(setpoint)
        self._enforced = 0  # the stop of this count is in force
        self._retry_at = 0.0  # monotonic s

    def enforce(self) -> list[str]:
        """Bring the stop to the servos, once; return a line for each that did not obey."""
        count = self._latch.count
        if count == self._enforced:
            return []
        self._torque.restore = False
        problems = []
        if self._latch.kind is Stop.RELEASE:
            problems = self._torque.switch(False)
            self._retry_at = time.monotonic() + RELEASE_RETRY
        elif self._torque.on:
            velocity = self._velocity()
            self._setpoint.stop(self._servos.measured(), velocity)
            self._settling.begin(velocity, time.monotonic())
            self._servos.write_setpoint(self._setpoint.position)
        if not problems:
            self._enforced = count
        return problems

    def packet(self, now: float) -> bytes:
        """Return the packet of a cycle: the setpoint of the stop, or nothing without torque.

        A goal that is written to an STS3215 switches its torque on.
        """
        if self._latch.kind is Stop.RELEASE:
            if now > self._retry_at:
                self.enforce()
            return b''
        if not self._torque.on:
            return b''
        self._settling.update(self._servos.measured(), self._velocity(), now)
        return self._servos.setpoint_packet(self._setpoint.position)

    def _velocity(self) -> Floats:
        """Return the measured velocities (6,) rad/s."""
        return self._servos.telemetry.velocity * self._servos.calibration.scale

    def end(self) -> list[str]:
        """Stay as it is until the next command, after the stop was cleared; return nothing."""
        self._torque.restore = False
        if self._torque.on:
            self._setpoint.reset(self._setpoint.position, time.monotonic())
        return []
