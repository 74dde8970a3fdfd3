"""What an arm does in each cycle besides its setpoint, and the rate of the cycles.

A cycle finishes the read of the servos, reacts to faults and load, and publishes the measurement.
"""

from collections import deque
from collections.abc import Callable
import time

from so101_description.joints import Floats

from .follow import Following
from .grip import Grip
from .restarts import Restarts
from .servos import Servos
from .setpoint import GRIPPER, Setpoint
from .torque import Torque

Publish = Callable[[int, Floats, Floats, Floats], None]


class Cycle:
    """The cycles of one arm at `rate` Hz; `count` of them, `late` of which missed their time.

    starts: when the last ones (of 5 s) began, monotonic s.
    """

    def __init__(
        self,
        servos: Servos,
        setpoint: Setpoint,
        torque: Torque,
        grip: Grip,
        restarts: Restarts,
        *,
        rate: float,
        publish: Publish,
        log: Callable[[str], object],
    ):
        self.rate, self.count, self.late = rate, 0, 0
        self._log = log
        self.starts: deque[float] = deque(maxlen=int(5 * rate))
        self.servos, self.setpoint = servos, setpoint
        self.restarts, self.following = restarts, Following(setpoint)
        self._torque, self._grip, self._publish = torque, grip, publish

    def finish(self, now: float) -> bool:
        """Collect the answers to the read that began at `now`; PortLost if a servo is silent.

        Return whether a servo restarted or was silent: goals made before are out of date.
        """
        self.starts.append(now)
        self.count += 1
        self.servos.finish_read()
        self.servos.check_silence(now)
        count = self.restarts.counts[GRIPPER]
        changed = self.restarts.check(now)
        if self.restarts.counts[GRIPPER] != count:
            self._grip.forget()
        if not self._torque.on:
            self.following.reset()
            return changed
        if self.following.due(now):
            self._follow(now)
        if self.servos.faults.sentence() and not self.setpoint.holding:
            self.setpoint.hold(self.servos.measured())
        if GRIPPER not in self.servos.suspects:  # its torque would wait for answers
            self._grip.update(now)
        return changed

    def _follow(self, now: float) -> None:
        servos = self.servos
        blocked = self.following.update(
            now, servos.measured(), servos.telemetry, servos.calibration.scale
        )
        if blocked:
            self._log(f'{servos.name}: {self.following.sentence()}')

    def publish(self) -> None:
        """Publish the last measurement with the time of its oldest value."""
        telemetry = self.servos.telemetry
        self._publish(
            min(self.servos.stamps),
            self.servos.measured(),
            telemetry.velocity * self.servos.calibration.scale,
            telemetry.load,
        )

    def sleep(self, due: float) -> float:
        """Wait for a deadline and return it. Missed cycles are dropped, not repeated."""
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        else:
            dropped = int(-pause * self.rate)
            self.late += dropped + 1
            due += dropped / self.rate
        return due
