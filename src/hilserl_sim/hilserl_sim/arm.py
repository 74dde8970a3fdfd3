"""A simulated arm with its driver's limits, in simulated time and without a serial port.

The driver's own setpoint, grip and tick map work on the emulated servos directly. Two things are
left out: the wire (packets, timing, faults; with it blocked joints and restarts), and the servos'
latched protections, which count seconds of the wall clock.
"""

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS, REST
from so101_driver.calibration import Calibration, load_calibration
from so101_driver.configure import torque_limit
from so101_driver.faults import GRIPPER
from so101_driver.grip import Grip
from so101_driver.options import DriverOptions
from so101_driver.setpoint import Limits, Setpoint
from so101_sim import calibration_path, sts3215
from so101_sim.protection import OVERLOAD_TORQUE
from so101_sim.servo_arm import ServoArm

_DEFAULT = DriverOptions()
RATE = _DEFAULT.bus_rate
DISABLED = 255  # % of the full drive, which no load reaches


class SimulatedGripperServo:
    """The emulated servo of a gripper, for `Grip`."""

    overloaded = False  # the overload protection is disabled

    def __init__(self, servo: sts3215.Sts3215, calibration: Calibration):
        self._servo, self._calibration = servo, calibration

    @property
    def load(self) -> float:
        """Share of the full drive, signed."""
        return self._servo.sensed.load

    @property
    def position(self) -> float:
        """Joint angle, rad."""
        ticks = np.full(len(JOINTS), self._servo.present_position)
        return float(self._calibration.to_rad(ticks)[GRIPPER])

    def read_torque_limit(self) -> int:
        """Read the torque limit, in 0.1 %."""
        return self._servo.word(sts3215.TORQUE_LIMIT)

    def write_torque_limit(self, limit: int) -> None:
        """Write the torque limit, in 0.1 %."""
        write_word(self._servo, sts3215.TORQUE_LIMIT, limit)

    def restart(self, setpoint: npt.NDArray[np.float64]) -> None:
        """Switch torque off and on again, with the arm's setpoint (6,) rad."""
        self._servo.write(sts3215.TORQUE_ENABLE, b'\0')
        ticks = self._calibration.to_ticks(setpoint)
        write_word(self._servo, sts3215.GOAL_POSITION, int(ticks[GRIPPER]))
        self._servo.write(sts3215.TORQUE_ENABLE, b'\1')


class SimulatedArm:
    """The servos of an arm under the driver's limits; `position` (6,) rad is the last measured."""

    def __init__(self, arm: str, servos: ServoArm):
        self._servos = servos.servos
        self._calibration = load_calibration(calibration_path(arm))
        self._setpoint = Setpoint(
            self._calibration,
            Limits(
                max_speed=_DEFAULT.max_speed,
                align_speed=_DEFAULT.align_speed,
                command_timeout=_DEFAULT.command_timeout,
                rest_after=_DEFAULT.rest_after,
                locked=np.zeros(len(JOINTS), bool),
                rest=REST if arm == 'follower' else None,
                setpoint_lead=_DEFAULT.setpoint_lead,
            ),
            RATE,
        )
        self._torque_on = False
        self._now = 0.0
        for joint, servo in zip(JOINTS, self._servos):
            servo.memory[OVERLOAD_TORQUE] = DISABLED
            write_word(servo, sts3215.TORQUE_LIMIT, torque_limit(joint))
        self._measure()
        self._grip = Grip(
            arm,
            SimulatedGripperServo(self._servos[GRIPPER], self._calibration),
            self._setpoint,
            lambda sentence: None,
        )

    def command(self, joints: npt.ArrayLike) -> None:
        """Command joint angles (6,) rad. Without torque the command is ignored."""
        if self._torque_on:
            self._setpoint.command(np.asarray(joints, np.float64), self._now)

    def set_torque(self, on: bool) -> None:
        """Switch the torque on or off. When it is switched on, the arm holds its pose."""
        if on and not self._torque_on:
            self._measure()
            self._setpoint.reset(self.position, self._now)
        self._torque_on = on
        for servo in self._servos:
            servo.write(sts3215.TORQUE_ENABLE, bytes((on,)))

    def cycle(self, now: float) -> None:
        """One cycle of the driver: measure, limit, write. now: simulated s."""
        self._now = now
        self._measure()
        if not self._torque_on:
            return
        setpoint = self._setpoint.advance(now, self.position)
        for servo, ticks in zip(self._servos, self._calibration.to_ticks(setpoint).tolist()):
            write_word(servo, sts3215.GOAL_POSITION, ticks)
        self._grip.update(now)

    def _measure(self) -> None:
        self.position = self._calibration.to_rad(
            np.array([servo.present_position for servo in self._servos])
        )


def write_word(servo: sts3215.Sts3215, address: int, value: int) -> None:
    """Write a two-byte register."""
    servo.write(address, value.to_bytes(2, 'little'))
