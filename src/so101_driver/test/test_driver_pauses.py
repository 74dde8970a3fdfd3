"""The driver's process was stopped for a while (SIGSTOP) and goes on (SIGCONT).

The emulated servos belong to the test process, so they record what the driver writes afterwards.
"""

import signal
import threading
import time

from driver_support.driver_process import start
from driver_support.emulated_arm import EmulatedArm
import numpy as np
import pytest

from so101_driver.calibration import load_calibration
from so101_sim import calibration_path

pytestmark = pytest.mark.graph

MAX_SPEED = 2.0  # rad/s, the driver's default
TICK = 2 * np.pi / 4096  # rad
WINDOW = 0.05  # s over which a speed is measured, because setpoints come about every 10 ms
LAG = 0.06  # rad that the joint may lag behind its setpoint when the driver stops: it holds there


class Commands:
    """Sends commands to one joint at 20 Hz in a thread, as an actor does. target: rad, or None."""

    def __init__(self, bench):
        self._bench, self.target = bench, None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def _send(self):
        while not self._ending.wait(0.05):
            if self.target is not None:
                self._bench.command([self.target, 0.0, 0.0, 0.0, 0.0, 0.5])

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()


@pytest.fixture
def follower(tmp_path):
    with EmulatedArm(tmp_path / 'port') as arm:
        process = start(
            follower_port=arm.port,
            answer_timeout=0.04,
            follower_calibration=calibration_path('follower'),
        )
        yield process, arm
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()


def setpoints(arm):
    """Return times and setpoints (rad) of the first joint."""
    calibration = load_calibration(calibration_path('follower'))
    rows = np.array(arm.servos[0].setpoints_at)
    return rows[:, 0], (rows[:, 1] - calibration.zero[0]) * calibration.scale[0]


@pytest.mark.parametrize('silent', [True, False], ids=['then silence', 'commands go on'])
@pytest.mark.parametrize('seconds', [0.3, 1.0, 3.0])
def test_a_driver_that_goes_on_ignores_older_commands_and_does_not_jump(
    follower, bench, seconds, silent
):
    process, arm = follower
    bench.spin_until(lambda: bench.states)
    bench.spin_until(lambda: bench.take_command().success)
    assert bench.torque(True).success
    with Commands(bench) as commands:
        commands.target = -0.5
        bench.spin_until(lambda: abs(bench.position[0] + 0.5) < 0.02)
        commands.target = 0.5
        bench.spin_until(lambda: bench.position[0] > -0.2)
        process.send_signal(signal.SIGSTOP)
        commands.target = -1.5  # away from where the arm goes afterwards
        time.sleep(seconds)
        commands.target = None
        time.sleep(0.06)  # the last command is less than 0.25 s old
        since = time.monotonic()
        process.send_signal(signal.SIGCONT)
        bench.spin_for(0.5)
        if not silent:
            commands.target = 0.8
            bench.spin_until(lambda: bench.take_command().success)
            bench.spin_until(lambda: bench.position[0] > 0.75)
        else:
            bench.spin_for(1.0)
    times, angles = setpoints(arm)
    at_stop = angles[times < since][-1]
    after = times > since
    assert after.any()
    # no setpoint goes to where the commands of the stop pointed
    assert angles[after].min() > at_stop - LAG
    if silent:
        assert np.abs(angles[after] - at_stop).max() < LAG
    # and none is faster than the limit
    later = np.searchsorted(times, times + WINDOW)
    later = later[later < len(times)]
    moved = np.abs(angles[later] - angles[: len(later)])
    limit = MAX_SPEED * (times[later] - times[: len(later)] + 0.02) + TICK
    assert (moved <= limit).all(), (moved - limit).max()
