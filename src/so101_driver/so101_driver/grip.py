"""A gripper that holds something hard eases its torque before the servo takes it for overloaded.

The servo cuts its torque when it has pushed at more than a quarter of its drive for two seconds
(Overload_Torque, Protection_Time). Before that, its torque limit goes down to less than that: the
object stays in the grip, and the next opening gives the full torque back. A gripper that is
overloaded all the same is loosened, and let go for a moment where that is not enough.
"""

from so101_node.errors import CellError

from .configure import torque_limit
from .gripper_servo import GripperServo
from .setpoint import Setpoint

HARD = 0.22  # share of the full drive; the servo's own limit is 0.25
PATIENCE = 1.0  # s of that; the servo's own is 2
EASED_TORQUE = 200  # 0.1 %: below the limit, whatever the goal
RELAXED = 0.1  # share of the full drive at which nothing is held
SQUEEZE = 0.05  # rad of the goal inside the object, from an overload on
REGRIP = 1.0  # s of overload after which the servo is switched off and on
FULL_TORQUE = torque_limit('gripper')


class Grip:
    """Protects the gripper of the arm `name`; `eased` and `loosened` count."""

    def __init__(self, name: str, gripper: GripperServo, setpoint: Setpoint, log):
        self.eased = self.loosened = 0
        self._name, self._gripper, self._setpoint, self._log = name, gripper, setpoint, log
        self._is_eased = False
        self._hard_since: float | None = None
        self._overloaded_since: float | None = None

    def find(self) -> None:
        """Read whether the torque is eased already; CellError if the servo does not answer."""
        self._is_eased = self._gripper.read_torque_limit() < FULL_TORQUE
        self._hard_since = self._overloaded_since = None

    def update(self, now: float) -> None:
        """Check the last measurement (monotonic s), with torque on."""
        self._ease(abs(self._gripper.load), now)
        if not self._gripper.overloaded:
            self._overloaded_since = None
            return
        self._setpoint.loosen(self._gripper.position, SQUEEZE)
        if self._overloaded_since is None:
            self._log(f'{self._name}: gripper overloaded: its grip is loosened')
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
        """Whether the servo took it; if not, the next cycle tries again."""
        try:
            self._gripper.write_torque_limit(torque)
        except CellError:
            return False
        return True
