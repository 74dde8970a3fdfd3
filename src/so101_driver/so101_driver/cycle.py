"""What an arm does in each cycle besides its setpoint, and the rate of the cycles.

A cycle collects the answers of the servos, reacts to faults and load, checks for restarts, and
publishes the measurement. What needs no bus is in `digest`, so that it can be done while the next
read is on the wire.
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

    def collect(self, now: float) -> None:
        """Receive the answers to the read that began at `now`; `digest` uses them."""
        self.starts.append(now)
        self.count += 1
        self.servos.collect()

    def digest(self) -> None:
        """React to the collected answers, without the bus; PortLost if a servo is silent."""
        now = self.starts[-1]
        self.servos.digest()
        self.servos.check_silence(now)
        if not self._torque.on:
            self.following.reset()
            return
        if self.following.due(now):
            self._follow(now)
        if self.servos.faults.sentence() and not self.setpoint.holding:
            self.setpoint.hold(self.servos.measured())

    def check_due(self) -> bool:
        """Return whether `check` must be done before the next read begins."""
        return self.restarts.due(self.starts[-1])

    def check(self) -> bool:
        """Look for restarted servos and relieve the gripper. The bus must be free.

        Return whether a servo restarted or was silent: goals made before are out of date.
        """
        now = self.starts[-1]
        count = self.restarts.counts[GRIPPER]
        changed = self.restarts.check(now)
        if self.restarts.counts[GRIPPER] != count:
            self._grip.forget()
        # a suspect's torque would wait for answers
        if self._torque.on and GRIPPER not in self.servos.suspects:
            self._grip.update(now)
        return changed

    def finish(self, now: float) -> bool:
        """Do `collect`, `digest` and `check`."""
        self.collect(now)
        self.digest()
        return self.check()

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
