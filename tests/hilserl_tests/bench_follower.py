"""An emulated follower arm in the test's process; it logs setpoints, positions and torque."""

from pathlib import Path
import threading
import time

import numpy as np
import numpy.typing as npt

from so101_sim.servo_arm import ServoArm

SPEED = 4.0  # rad/s that a joint follows its goal with, faster than the driver's limit
PERIOD = 0.004  # s
STIFFNESS = 3.0  # share of the full drive per rad, at a blocked joint
MAX_LOAD = 0.2  # below the servo's overload protection


class BenchFollower:
    """Six moving servos at `port`; `log` has one row per period.

    A row: time (monotonic, s), goals (6,), positions (6,), all in rad, and torque (6,).
    """

    def __init__(self, port: str | Path, q: npt.ArrayLike):
        self.log: list[npt.NDArray[np.float64]] = []
        self.blocked = np.zeros(6, np.bool_)  # joints that do not move
        self._position = np.array(q, np.float64)
        self._arm = ServoArm('follower', str(port), self._position)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._move)

    def __enter__(self) -> 'BenchFollower':
        self._arm.bus.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._arm.bus.stop()

    def connect(self, connected: bool) -> None:
        """Close or break the data line; the servos keep their supply."""
        self._arm.bus.connected = connected

    def _move(self) -> None:
        last = time.monotonic()
        while not self._ending.wait(PERIOD):
            now = time.monotonic()
            reach = SPEED * (now - last)
            goal, torque = self._arm.goal(), self._arm.torque_on()
            moves = torque & ~self.blocked
            step = np.where(moves, np.clip(goal - self._position, -reach, reach), 0.0)
            self._position = self._position + step
            load = np.where(torque & self.blocked, STIFFNESS * (goal - self._position), 0.0)
            self._arm.set_joints(
                self._position, step / (now - last), np.clip(load, -MAX_LOAD, MAX_LOAD)
            )
            self.log.append(np.concatenate([[now], goal, self._position, torque]))
            last = now

    def between(self, since: float, until: float) -> npt.NDArray[np.float64]:
        """Return the rows (N, 19) of this time."""
        rows = np.array(self.log)
        return rows[(rows[:, 0] >= since) & (rows[:, 0] <= until)]
