"""Lowers the gripper's torque before the servo reports an overload.

A servo that pushes at more than a quarter of its drive for two seconds cuts its torque
(Overload_Torque, Protection_Time). To avoid that, `Grip` lowers the torque limit earlier: the
gripper keeps the object, and the next opening restores the full limit. If the gripper is
overloaded nevertheless, `Grip` loosens it and, if that does not help, switches its torque off and
on.
"""

from collections.abc import Callable

from so101_node.errors import CellError

from .configure import torque_limit
from .gripper_servo import GripperServo
from .setpoint import Setpoint

HARD = 0.22  # share of the full drive; the servo's own limit is 0.25
PATIENCE = 1.0  # s of such load before the torque is lowered; the servo waits 2 s
EASED_TORQUE = 200  # 0.1 %: below the servo's overload limit for any setpoint
RELAXED = 0.1  # share of the full drive below which the gripper holds no object
SQUEEZE = 0.05  # rad that the setpoint may lie inside the object after an overload
REGRIP = 1.0  # s of overload after which the torque is switched off and on
FULL_TORQUE = torque_limit('gripper')


class Grip:
    """Protects the gripper of the arm `name`; `eased` and `loosened` count how often."""

    def __init__(
        self, name: str, gripper: GripperServo, setpoint: Setpoint, log: Callable[[str], object]
    ):
        self.eased = self.loosened = 0
        self._name, self._gripper, self._setpoint, self._log = name, gripper, setpoint, log
        self._is_eased = False
        self._hard_since: float | None = None
        self._overloaded_since: float | None = None

    def read_state(self) -> None:
        """Read whether the torque is lowered already; CellError if the servo does not answer."""
        self._is_eased = self._gripper.read_torque_limit() < FULL_TORQUE
        self._hard_since = self._overloaded_since = None

    def forget(self) -> None:
        """Take note that the gripper's servo restarted and has its full torque limit."""
        self._is_eased, self._hard_since = False, None

    def update(self, now: float) -> None:
        """Check the last measurement. Call it with torque on. now: monotonic s."""
        self._ease(abs(self._gripper.load), now)
        if not self._gripper.overloaded:
            self._overloaded_since = None
            return
        self._setpoint.loosen(self._gripper.position, SQUEEZE)
        if self._overloaded_since is None:
            self._log(f'{self._name}: gripper overloaded; its grip is loosened')
            self._overloaded_since = now
            self.loosened += 1
        elif now - self._overloaded_since > REGRIP:
            self._gripper.restart(self._setpoint.position)
            self._overloaded_since = now

    def _ease(self, load: float, now: float) -> None:
        if self._is_eased:
            if load < RELAXED and self._limit(FULL_TORQUE):
                self._is_eased = False
        elif load < HARD:
            self._hard_since = None
        elif self._hard_since is None:
            self._hard_since = now
        elif now - self._hard_since > PATIENCE and self._limit(EASED_TORQUE):
            self._is_eased, self._hard_since = True, None
            self.eased += 1

    def _limit(self, torque: int) -> bool:
        """Set the torque limit; False if the servo does not answer (the next cycle retries)."""
        try:
            self._gripper.write_torque_limit(torque)
        except CellError:
            return False
        return True
