"""The torque of one arm: it goes on without a jump, and faulty servos recover without it.

Not thread-safe: the control thread of the arm uses it.
"""

import threading
import time

import numpy as np

from so101_description.joints import Floats
from so101_node.errors import CellError

from .bus import TRIES
from .servos import Servos
from .setpoint import Setpoint

CLEAR_WAIT = 1.0  # s that a servo gets, without torque, to recover from its fault
# rad between a setpoint found in a servo and its joint that load and lag can explain. The gripper
# has no limit: its setpoint lies inside the object that it holds.
NEAR = np.array([0.2] * 5 + [np.inf])


class Torque:
    """The torque of the arm `name`, whose servos follow `setpoint`.

    on: whether it is switched on. restore: whether the next fresh command switches it on.
    partly: whether some servos have torque and others lost it with their supply; then `on` is
    False.
    """

    def __init__(self, name: str, servos: Servos, setpoint: Setpoint):
        self.on = self.restore = self.partly = False
        self._name, self._servos, self._setpoint = name, servos, setpoint

    def switch(self, on: bool) -> list[str]:
        """Switch the torque of each servo; return a line for each that did not obey.

        When it goes on, the setpoint starts at the measured pose, or where a servo holds already:
        no joint jumps and the gripper keeps its grip.
        """
        self.restore = False
        if on and not self.on:
            try:
                if not any(self._servos.read() for _ in range(TRIES)):
                    return [f'{self._name}: torque stays off: no servo answers']
                measured, held = self._servos.measured(), self._servos.held()
                near = np.abs(held - measured) <= NEAR  # False where it is not a number
                self._setpoint.reset(np.where(near, held, measured), time.monotonic())
                self._servos.widen(self._setpoint.position)
                self._servos.write_setpoint(self._setpoint.position)
            except CellError as error:
                return [f'{self._name}: torque stays off: {error}']
        self.on, self.partly = on, False
        return self._servos.torque(on)

    def adopt(self, held: Floats) -> None:
        """Go on holding the setpoints (6,) rad of servos that hold already; write nothing."""
        pose = np.where(np.isnan(held), self._servos.measured(), held)
        self._setpoint.reset(pose, time.monotonic())
        self._servos.allow(pose)
        self.on, self.restore = True, False

    @property
    def holding(self) -> bool:
        """Whether at least a part of the arm has torque."""
        return self.on or self.partly

    def suspend(self) -> None:
        """Take note that the link is lost: torque that was on comes back with a fresh command."""
        self.restore = self.on or self.restore
        self.on = self.partly = False

    def clear_faults(self, interrupted: threading.Event, period: float) -> list[str]:
        """Switch faulty servos off, wait until their fault bits clear, and hold again.

        Return a line for each that stays faulty. period: s between two reads of the servos.
        interrupted: ends the wait early, and the servos stay without torque.
        """
        faults = self._servos.faults
        faulty = [i for i, bits in enumerate(faults.latched) if bits]
        problems = self._servos.torque(False, faulty)
        end = time.monotonic() + CLEAR_WAIT
        while time.monotonic() < end and not interrupted.wait(period):
            self._servos.read()
            now = time.monotonic()
            if not any(faults.shown(i, now) for i in faulty):
                break
        problems += faults.clear(time.monotonic())
        if self.on and not (faults.sentence() or interrupted.is_set()):
            self._setpoint.reset(self._servos.measured(), time.monotonic())
            self._servos.widen(self._setpoint.position)
            self._servos.write_setpoint(self._setpoint.position)
            problems += self._servos.torque(True, faulty)
        return problems
