"""The thread of the control loop: one tick a period, on the newest inputs."""

from collections.abc import Callable
import math
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
from ..loop.periodic_timer import LONGEST_PERIOD, PeriodicTimer
from ..loop.readiness import Readiness
from .clients import TopicArms
from .sensors import Sensors

WAIT = 0.1  # s
AGAIN = 0.005  # s between two attempts to get an observation


class LoopThread:
    """Runs the loop until `stop`. after_tick: called with the stamp of the tick's beginning.

    patience: over 1, the cell is simulated. A tick then waits for its observation, and for the
    driver to execute the last action, up to WAIT * `patience` s: on a busy computer the cell runs
    slowly, and no step is lost.
    """

    def __init__(
        self,
        loop: ControlLoop,
        readiness: Readiness,
        sensors: Sensors,
        arms: TopicArms,
        clock: Clock,
        after_tick: Callable[[Time], object],
        patience: float = 1.0,
    ):
        self._loop, self._readiness = loop, readiness
        self._sensors, self._arms = sensors, arms
        self._clock, self._after_tick = clock, after_tick
        self._wall_clock, self._blocked = WallClock(), BlockedJoint()
        self._period = 1.0 / loop.schema.rate
        self._wait = WAIT * patience if patience > 1.0 else 0.0  # s
        self._observed = False  # in the last tick
        self._done = threading.Event()
        self.timing = LoopTiming(self._period)
        self.tick_ms = 0.0  # duration of the last tick

    def run(self) -> None:
        """Tick until `stop`."""
        torch.set_num_threads(1)
        timer = PeriodicTimer(self._period, math.inf if self._wait else LONGEST_PERIOD)
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
            sensed = self._poll()
        except CellError as error:
            self._blocked.forget()
            self._loop.tick_without_observations(str(error))
            return
        self._check_blocked(sensed)
        self._loop.tick(sensed, self._sensors.reward_signal())

    def _poll(self) -> Sensed:
        """Return the observation of this tick; CellError if there is none in time.

        It waits once: if an input is gone, the next ticks come on time and count the gap.
        """
        until = time.monotonic() + (self._wait if self._observed else 0.0)
        self._observed = False
        while True:
            waits = time.monotonic() < until and not self._done.is_set()
            if not (waits and self._loop.episode and not self._arms.command_accepted()):
                try:
                    sensed = self._sensors.poll()
                except CellError:
                    if not waits:
                        raise
                else:
                    self._observed = True
                    return sensed
            time.sleep(AGAIN)

    def _check_blocked(self, sensed: Sensed) -> None:
        """End the motion as a fault if a joint is blocked."""
        if self._loop.machine.mode is not Mode.RESET and self._loop.episode is None:
            self._blocked.forget()
        elif blocked := self._blocked.update(time.monotonic(), sensed.position, self._arms.target):
            self._loop.request('fault', blocked)
