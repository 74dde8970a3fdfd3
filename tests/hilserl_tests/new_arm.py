"""An arm of six factory-fresh emulated servos, and the hand that plugs and moves them."""

from pathlib import Path
import threading
import time

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS
from so101_sim.servo_bus import ServoBus
from so101_sim.sts3215 import Sts3215

REACH = np.array([1340, 1230, 1200, 1180, 1500, 640])  # ticks to each side, as built arms have
SPEED, PERIOD = 2500.0, 0.005  # ticks/s of a joint with torque; s


class NewArm:
    """Six new servos; `plug` connects some of them. A joint with torque follows its goal.

    rated: V, the type of the servos and their supply.
    """

    def __init__(self, name: str, port: Path, rated: float):
        self.name, self.port = name, port
        self.servos = {j: Sts3215.fresh(1500.0 + 150 * i, rated) for i, j in enumerate(JOINTS)}
        self.middle: npt.NDArray[np.float64] = np.array(
            [s.sensed.position for s in self.servos.values()]
        )
        self._bus: ServoBus | None = None
        threading.Thread(target=self._follow, daemon=True).start()

    def connect_usb(self, connected: bool = True) -> None:
        """Plug the adapter's USB cable in, or pull it out."""
        if self._bus:
            self._bus.stop()
        self._bus = ServoBus(str(self.port), []) if connected else None
        if self._bus:
            self._bus.start()

    def plug(self, *joints: str) -> None:
        """Connect the servos of these joints and no others."""
        if self._bus:
            self._bus.servos[:] = [self.servos[joint] for joint in joints]

    def move(self, shares: float, seconds: float) -> None:
        """Move the joints without torque by hand, to these shares of their reach."""
        before = np.array([s.sensed.position for s in self.servos.values()])
        target = self.middle + shares * REACH
        for step in np.linspace(0.0, 1.0, max(int(seconds / 0.02), 2)):
            time.sleep(0.02)
            for servo, at in zip(self.servos.values(), before + step * (target - before)):
                if not servo.torque_on:
                    servo.sensed = servo.sensed._replace(position=float(at))

    def _follow(self) -> None:
        while True:
            time.sleep(PERIOD)
            for servo in self.servos.values():
                if servo.torque_on:
                    at, reach = servo.sensed.position, SPEED * PERIOD
                    at += min(max(servo.goal - at, -reach), reach)
                    servo.sensed = servo.sensed._replace(position=at)
