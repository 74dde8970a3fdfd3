"""The thread of the control loop: one tick a period, on the newest inputs."""

from collections.abc import Callable
import threading
import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
import torch

from so101_node.errors import CellError
from so101_node.modes import Mode
from so101_node.wall_clock import WallClock, clock_sentence

from ..loop.blocked_joint import BlockedJoint
from ..loop.control import ControlLoop
from ..loop.episode import Sensed
from ..loop.episode_stats import LoopTiming
from ..loop.periodic_timer import PeriodicTimer
from ..loop.readiness import Readiness
from .clients import TopicArms
from .sensors import Sensors


class LoopThread:
    """Runs the loop until `stop`. after_tick: called with the stamp of the tick's beginning."""

    def __init__(
        self,
        loop: ControlLoop,
        readiness: Readiness,
        sensors: Sensors,
        arms: TopicArms,
        clock: Clock,
        after_tick: Callable[[Time], object],
    ):
        self._loop, self._readiness = loop, readiness
        self._sensors, self._arms = sensors, arms
        self._clock, self._after_tick = clock, after_tick
        self._wall_clock, self._blocked = WallClock(), BlockedJoint()
        self._period = 1.0 / loop.schema.rate
        self._done = threading.Event()
        self.timing = LoopTiming(self._period)
        self.tick_ms = 0.0  # duration of the last tick

    def run(self) -> None:
        """Tick until `stop`."""
        torch.set_num_threads(1)
        timer = PeriodicTimer(self._period)
        while not self._done.is_set():
            now = timer.wait(self._prepare_tick, self._arms.sent_at)
            stamp = self._clock.now().to_msg()
            self.timing.tick(now)
            self._tick()
            self.tick_ms = (time.monotonic() - now) * 1e3
            self._after_tick(stamp)

    def stop(self) -> None:
        """End `run` after the tick under way."""
        self._done.set()

    def _prepare_tick(self) -> None:
        """Start the slow computations of the next tick."""
        now = self._clock.now().nanoseconds
        self._sensors.request_tool()
        try:
            self._loop.prepare(now, self._sensors.images(), self._sensors.leader(now))
        except CellError:
            pass  # the tick reports it

    def _tick(self) -> None:
        self._readiness.update(time.monotonic())
        if step := self._wall_clock.step():
            self._arms.clock_stepped()
            self._loop.tick_without_observations(
                f'{clock_sentence(step)}; steps across it are not recorded', ends_episode=True
            )
            return
        try:
            if self._readiness.second_cell:
                raise CellError(self._readiness.second_cell)
            sensed = self._sensors.poll()
        except CellError as error:
            self._blocked.forget()
            self._loop.tick_without_observations(str(error))
            return
        self._check_blocked(sensed)
        self._loop.tick(sensed, self._sensors.reward_signal())

    def _check_blocked(self, sensed: Sensed) -> None:
        """End the motion as a fault if a joint is blocked."""
        if self._loop.machine.mode is not Mode.RESET and self._loop.episode is None:
            self._blocked.forget()
        elif blocked := self._blocked.update(time.monotonic(), sensed.position, self._arms.target):
            self._loop.request('fault', blocked)
