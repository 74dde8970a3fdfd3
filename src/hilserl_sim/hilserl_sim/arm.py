"""One arm of the simulated cell and its driver's limits, in simulated time and without a port.

The driver's own goal, grip and tick map work on the emulated servos directly; what is left out is
the wire between them (packets, timing, faults) and the servos' latched protections.
"""

from types import SimpleNamespace

import numpy as np

from so101_description.joints import JOINTS, REST, SERVO_IDS
from so101_driver.calibration import load_calibration
from so101_driver.configure import ARM_TORQUE, GRIPPER_TORQUE
from so101_driver.driver_node import DriverNode
from so101_driver.goal import Goal, Limits
from so101_driver.grip import Grip
from so101_sim import calibration_path, sts3215
from so101_sim.protection import OVERLOAD_TORQUE
from so101_sim.servo_arm import ServoArm

_DEFAULT = {p.name: p.default for p in DriverNode.PARAMETERS}
RATE = _DEFAULT['rate']
NEVER = 255  # % of the full drive


class SteppedArm:
    """`cycle` stands for the driver's; `position` (6,) rad is what it last measured."""

    def __init__(self, arm: str, servos: ServoArm):
        self._servos = servos.servos
        self.calibration = load_calibration(calibration_path(arm))
        self.goal = Goal(
            self.calibration,
            Limits(
                max_speed=_DEFAULT['max_speed'],
                align_speed=_DEFAULT['align_speed'],
                command_timeout=_DEFAULT['command_timeout'],
                rest_after=_DEFAULT['rest_after'],
                locked=np.zeros(len(JOINTS), bool),
                rest=REST if arm == 'follower' else None,
            ),
            RATE,
        )
        self.torque_on = False
        self._now = 0.0
        for index, servo in enumerate(self._servos):
            # these measure time by the wall's clock, which means nothing here
            servo.memory[OVERLOAD_TORQUE] = NEVER
            self._write(
                index,
                sts3215.TORQUE_LIMIT,
                GRIPPER_TORQUE if JOINTS[index] == 'gripper' else ARM_TORQUE,
            )
        self._measure()
        self._grip = Grip(self, self.goal, lambda text: None)

    # --- what `Grip` asks of the driver's servos -------------------------------------------
    name, faults = 'arm', SimpleNamespace(grip_overloaded=False)

    @property
    def telemetry(self):
        """Loads (6,), share of the full drive."""
        return SimpleNamespace(load=np.array([servo.sensed.load for servo in self._servos]))

    @property
    def bus(self):
        """Where a register is written."""
        return SimpleNamespace(
            write=lambda number, address, _, value: self._write(
                list(SERVO_IDS.values()).index(number), address, value
            )
        )

    # --- the driver's cycle ------------------------------------------------------------------
    def command(self, target) -> None:
        """Take a joint target (6,) rad."""
        if self.torque_on:
            self.goal.command(np.asarray(target, np.float64), self._now)

    def set_torque(self, on: bool) -> None:
        """Switch all servos; going on starts from where the arm is."""
        if on and not self.torque_on:
            self._measure()
            self.goal.reset(self.position, self._now)
        self.torque_on = on
        for servo in self._servos:
            servo.write(sts3215.TORQUE_ENABLE, bytes((on,)))

    def cycle(self, now: float) -> None:
        """Measure, limit, write; s of simulated time."""
        self._now = now
        self._measure()
        if not self.torque_on:
            return
        goal = self.goal.advance(now, self.position)
        for index, ticks in enumerate(self.calibration.to_ticks(goal).tolist()):
            self._write(index, sts3215.GOAL_POSITION, ticks)
        self._grip.update(now)

    def _measure(self) -> None:
        self.position = self.calibration.to_rad(
            np.array([servo.present_position for servo in self._servos])
        )

    def _write(self, index: int, address: int, value: int) -> None:
        self._servos[index].write(address, value.to_bytes(2, 'little'))
