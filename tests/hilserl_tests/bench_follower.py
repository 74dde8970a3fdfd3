"""An emulated follower arm in the test's process; it logs setpoints, positions and torque."""

import threading
import time

import numpy as np

from so101_sim.servo_arm import ServoArm

SPEED = 4.0  # rad/s that a joint follows its goal with, faster than the driver's limit
PERIOD = 0.004  # s


class BenchFollower:
    """Six moving servos at `port`; `log` has one row per period.

    A row: time (monotonic, s), goals (6,), positions (6,), all in rad, and torque (6,).
    """

    def __init__(self, port, q):
        self.log: list[np.ndarray] = []
        self._position = np.array(q, np.float64)
        self._arm = ServoArm('follower', str(port), q)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._move)

    def __enter__(self):
        self._arm.bus.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._arm.bus.stop()

    def _move(self):
        last = time.monotonic()
        while not self._ending.wait(PERIOD):
            now = time.monotonic()
            reach = SPEED * (now - last)
            goal, torque = self._arm.goal(), self._arm.torque_on()
            step = np.where(torque, np.clip(goal - self._position, -reach, reach), 0.0)
            self._position = self._position + step
            self._arm.set_joints(self._position, step / (now - last), np.zeros(6))
            self.log.append(np.concatenate([[now], goal, self._position, torque]))
            last = now

    def between(self, since: float, until: float) -> np.ndarray:
        """Return the rows (N, 19) of this time."""
        rows = np.array(self.log)
        return rows[(rows[:, 0] >= since) & (rows[:, 0] <= until)]
