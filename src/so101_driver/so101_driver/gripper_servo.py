"""The interface of a gripper servo that `Grip` uses, and its implementation on the bus."""

from typing import Protocol

from so101_description.joints import Floats

from . import servo
from .faults import GRIPPER
from .servos import IDS, Servos


class GripperServo(Protocol):
    """The gripper's servo of one arm."""

    @property
    def load(self) -> float:
        """Last measured load, share of the full drive, signed."""

    @property
    def overloaded(self) -> bool:
        """Whether the servo has cut its torque for an overload."""

    @property
    def position(self) -> float:
        """Last measured joint angle, rad."""

    def read_torque_limit(self) -> int:
        """0.1 %; CellError if the servo does not answer."""

    def write_torque_limit(self, limit: int) -> None:
        """0.1 %; CellError if the servo does not answer."""

    def restart(self, setpoint: Floats) -> None:
        """Switch torque off and on again, with the arm's setpoint (6,) rad."""


class BusGripperServo:
    """The gripper servo among the six servos of an arm."""

    def __init__(self, servos: Servos):
        self._servos = servos

    @property
    def load(self) -> float:
        """Last measured load, share of the full drive, signed."""
        return float(self._servos.telemetry.load[GRIPPER])

    @property
    def overloaded(self) -> bool:
        """Whether the servo has cut its torque for an overload."""
        return self._servos.faults.grip_overloaded

    @property
    def position(self) -> float:
        """Last measured joint angle, rad."""
        return float(self._servos.measured()[GRIPPER])

    def read_torque_limit(self) -> int:
        """0.1 %; CellError if the servo does not answer."""
        return int.from_bytes(
            self._servos.bus.read(IDS[GRIPPER], servo.TORQUE_LIMIT, 2)[1], 'little'
        )

    def write_torque_limit(self, limit: int) -> None:
        """0.1 %; CellError if the servo does not answer."""
        self._servos.bus.write(IDS[GRIPPER], servo.TORQUE_LIMIT, 2, limit)

    def restart(self, setpoint: Floats) -> None:
        """Switch torque off and on again, with the arm's setpoint (6,) rad."""
        self._servos.torque(False, [GRIPPER])
        self._servos.write_setpoint(setpoint)
        self._servos.torque(True, [GRIPPER])
