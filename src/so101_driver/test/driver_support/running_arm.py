"""An `Arm` that runs in a thread of the test; its measurements and log lines are recorded."""

from contextlib import contextmanager
import threading
import time

import numpy as np

from so101_description.joints import JOINTS, REST
from so101_driver import adapter
from so101_driver.arm import Arm
from so101_driver.bus import Bus
from so101_driver.calibration import load_calibration
from so101_driver.servos import IDS
from so101_driver.setpoint import Limits
from so101_driver.stop import StopLatch
from so101_node.errors import CellError
from so101_sim import calibration_path

FREE = np.zeros(6, bool)


def wait_for(condition, timeout=3.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'did not happen in time'
        time.sleep(0.005)


def greatest_step(emulated):
    """Return the largest step between setpoints of arm joints, rad, less a tick of rounding."""
    steps = [np.abs(np.diff(servo.setpoints)).max() for servo in emulated.servos[:5]]
    return (max(steps) - 1) * 2 * np.pi / 4096


class Running:
    """A started arm, its measurements and its log lines."""

    def __init__(
        self,
        emulated,
        rest=REST,
        locked=FREE,
        max_speed=2.0,
        rate=100.0,
        name='follower',
        align_speed=None,
        fit=False,
        setpoint_lead=0.2,
        collision=None,
        patience=1.0,
    ):
        self.stop = StopLatch()
        self.states, self.lines, self.error, self.recorded_at, self.accepted = [], [], None, [], []
        self.bus = Bus(emulated.port, IDS, answer_timeout=0.01)  # a busy machine answers late
        if fit:
            adapter.fit(self.bus)
        self.arm = Arm(
            name,
            self.bus,
            load_calibration(calibration_path(name)),
            Limits(
                max_speed,
                align_speed or max_speed,
                0.25,
                60.0,
                locked,
                rest,
                setpoint_lead,
                collision,
                patience,
            ),
            rate=rate,
            stop=self.stop,
            publish=self.record,
            on_accepted=lambda *new: self.accepted.append(new),
            log=self.lines.append,
        )
        self.steps = []  # rad between consecutive setpoints
        advance = self.arm.setpoint.advance

        def watched(*args):
            before = self.arm.setpoint.position
            self.steps.append(np.abs(advance(*args) - before).max())
            return self.arm.setpoint.position

        self.arm.setpoint.advance = watched

    def record(self, *state):
        self.recorded_at.append(time.time_ns())
        self.states.append(state)

    def run(self):
        try:
            self.arm.run()
        except CellError as error:
            self.error = str(error)

    def start(self):
        self.arm.start()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.states)

    @property
    def position(self):
        return self.states[-1][1]

    def command(self, target):
        self.arm.command(JOINTS, target, time.time_ns())

    def command_until(self, target, condition, timeout=3.0):
        def commanded():
            self.command(target)
            return condition()

        wait_for(commanded, timeout)


@contextmanager
def running(emulated, **options):
    run = Running(emulated, **options)
    try:
        run.start()
        yield run
    finally:
        run.arm.torque.on = False  # the tests of the exit call close() themselves
        run.arm.close()
        if hasattr(run, 'thread'):
            run.thread.join(4.0)
        run.bus.close()
