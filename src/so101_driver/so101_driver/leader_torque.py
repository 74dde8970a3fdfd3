"""Switches the leader's torque with the actor's mode, even if a service call of the actor is lost.

A person must never work against a leader with torque. In a mode without leader torque, the driver
switches it off and retries until the servos obey. It also switches it off if status messages stop.
In a mode with torque, the torque goes on when the mode begins; `set_torque` can switch it off
again. A person who blocks the leader overloads its servos; they recover without torque, so the
next mode with torque clears the fault.
"""

from collections.abc import Callable

from so101_node.modes import LEADER_TORQUE

from .arm import Arm

SILENCE = 1.0  # s; ten ticks of the control loop


class LeaderTorque:
    """Controls the torque of the started leader `arm`.

    Times are in s of one monotonic clock. Use it in one thread: calls may block. A leader that has
    torque at the start was left so by an earlier actor.
    """

    def __init__(self, arm: Arm, log: Callable[[str], object], now: float):
        self._arm, self._log = arm, log
        self._silence = SILENCE * arm.limits.patience  # s
        # what the mode demands; None: no status message
        self._wants_torque: bool | None = True if arm.torque.on else None
        self._received_at = now
        self._problems: list[str] = []  # of the last attempt, which is repeated while it failed

    def apply_mode(self, mode: str, now: float) -> None:
        """Apply the mode of one status message. In an unknown mode the leader has no torque."""
        self._received_at = now
        wanted = LEADER_TORQUE.get(mode, False)
        if wanted is None:
            return
        before, self._wants_torque = self._wants_torque, wanted
        if self._wants_torque and not before and self._arm.servos.faults.sentence():
            for line in self._arm.clear_faults():
                self._log(f'{self._arm.name}: {line}')
        if self._problems or wanted != before or (self._arm.torque.on and not wanted):
            self._switch(wanted, mode)

    def forget(self) -> None:
        """Forget the mode, because the driver is inactive: the next mode counts as new."""
        self._wants_torque = None

    def check_silence(self, now: float) -> None:
        """Switch torque off if the actor is silent. Call it while no status message arrives."""
        if self._wants_torque is not None and now - self._received_at > self._silence:
            self._wants_torque = None
            self._switch(False, f'no status of the actor for {self._silence:g} s')

    def _switch(self, on: bool, why: str) -> None:
        if self._arm.torque.on == on and not self._problems:
            return
        problems = self._arm.set_torque(on)
        if problems != self._problems or not problems:
            self._log(
                f'{self._arm.name}: torque {"on" if on else "off"} ({why})'
                + ''.join(f'; {line}' for line in problems)
            )
        self._problems = problems
