"""The leader's torque follows the mode that the actor tells, whatever became of its service call.

A person must never fight a stiff leader: in a mode that leaves it to the hand it is let go, again
and again until it obeys, and so it is when an actor that was heard falls silent. In a mode that
gives it torque, it gets it when the mode begins; `set_torque` may take it away again. A leader
that was held against its servos is overloaded; free, they recover, so that clears the fault.
"""

from so101_node.modes import LEADER_TORQUE

from .arm import Arm

SILENCE = 1.0  # s; ten ticks of the control loop


class LeaderTorque:
    """Watches over the started leader `arm`.

    Times in s of one monotonic clock; one thread, which waits where the arm lets it wait. An arm
    found holding was left so by an actor of before.
    """

    def __init__(self, arm: Arm, log, now: float):
        self._arm, self._log = arm, log
        # what the mode asks for; None: nobody tells
        self._stiff: bool | None = True if arm.torque_on else None
        self._heard_at = now
        self._problems: list[str] = []  # of the last attempt: tried again while there are any

    def hear(self, mode: str, now: float) -> None:
        """Take the mode of one status message; a mode that is not known leaves the leader free."""
        before, self._stiff = self._stiff, bool(LEADER_TORQUE.get(mode))
        self._heard_at = now
        if self._stiff and not before and self._arm.servos.faults.sentence():
            for line in self._arm.clear_faults():
                self._log(f'{self._arm.name}: {line}')
        if self._problems or self._stiff != before or (self._arm.torque_on and not self._stiff):
            self._switch(self._stiff, mode)

    def check(self, now: float) -> None:
        """To be called where nothing was heard: an actor that is gone has nobody at its keys."""
        if self._stiff is not None and now - self._heard_at > SILENCE:
            self._stiff = None
            self._switch(False, f'nothing heard of the actor for {SILENCE} s')

    def _switch(self, on: bool, why: str) -> None:
        if self._arm.torque_on == on and not self._problems:
            return
        problems = self._arm.set_torque(on)
        if problems != self._problems or not problems:
            self._log(
                f'{self._arm.name}: torque {"on" if on else "off"} ({why})'
                + ''.join(f'; {line}' for line in problems)
            )
        self._problems = problems
