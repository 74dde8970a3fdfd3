"""A gripper that holds something too hard loosens its grip instead of staying overloaded.

The servo cuts its torque when it has pushed for too long and says so in its error byte; with the
goal back near the jaw it recovers by itself, or after it has let go for a moment.
"""
from .faults import GRIPPER
from .goal import Goal
from .servos import Servos

SQUEEZE = 0.05           # rad of the goal inside the object, from the overload on
REGRIP = 1.0             # s of overload after which the servo is let go for a moment


class Grip:
    """Watches the gripper of one arm; `loosened` counts overloads."""

    def __init__(self, servos: Servos, goal: Goal, log):
        self.loosened = 0
        self._servos, self._goal, self._log = servos, goal, log
        self._since: float | None = None

    def update(self, now: float) -> None:
        """Look at the last answers (monotonic s), with torque on."""
        if not self._servos.faults.grip_overloaded:
            self._since = None
            return
        self._goal.loosen(self._servos.measured()[GRIPPER], SQUEEZE)
        if self._since is None:
            self._log(f'{self._servos.name}: gripper overloaded: its grip is loosened')
            self._since = now
            self.loosened += 1
        elif now - self._since > REGRIP:
            self._servos.torque(False, [GRIPPER])
            self._servos.write_goal(self._goal.position)
            self._servos.torque(True, [GRIPPER])
            self._since = now
