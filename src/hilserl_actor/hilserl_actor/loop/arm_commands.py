"""The control loop's commands to both arms: the follower's reference, the mirror, the torque.

A stop of any thread lets no further command through.
"""

import threading

import numpy as np

from so101_node.modes import Mode

from .interfaces import Arms, Joints
from .modes import TABLE


class ArmCommands:
    """Sends commands and stores the last ones. For the loop's thread only, except `stop`."""

    def __init__(self, arms: Arms):
        self._arms = arms
        self._reference: Joints | None = None
        self._torque: dict[str, bool] = {}  # as requested last
        self._stopped = False
        self._sending = threading.Lock()

    def stop(self) -> None:
        """Send nothing from now on, and ask the driver for its stop. Any thread may call it."""
        with self._sending:
            self._stopped = True
        self._arms.stop()

    def end_stop(self) -> None:
        """Send commands again."""
        self.forget_torque()
        self._stopped = False

    def _command(self, arm: str, target: Joints) -> None:
        with self._sending:
            if not self._stopped:
                self._arms.command(arm, target)

    @property
    def reference(self) -> Joints:
        """The last joint target of the follower, (6,) rad."""
        assert self._reference is not None  # `measured` was called
        return self._reference

    def measured(self, position: Joints) -> None:
        """Take the measured pose (6,) rad as the reference, if there is none yet."""
        if self._reference is None:
            self.restart_at(position)

    def restart_at(self, position: Joints) -> None:
        """Take the measured pose (6,) rad as the reference; command nothing."""
        self._reference = position.copy()

    def move(self, target: Joints) -> None:
        """Command a joint target (6,) rad to the follower; it becomes the reference."""
        self._command('follower', target)
        self._reference = np.asarray(target, np.float64)

    def repeat(self) -> None:
        """Command the reference to the follower again."""
        self._command('follower', self.reference)

    def mirror(self) -> None:
        """Command the follower's reference to the leader."""
        self._command('leader', self.reference)

    def accepted(self) -> bool:
        """Return whether the driver executes the last command to the follower."""
        return self._arms.command_accepted()

    def has_torque(self, arm: str) -> bool:
        """Return whether torque on was requested last."""
        return self._torque.get(arm, False)

    def request_torque(self, mode: Mode) -> None:
        """Request the torque of `mode` where it differs from the last request.

        Nothing in ESTOP. In IDLE the follower's torque is the operator's; RESET requests it.
        """
        wanted: dict[str, bool | None] = {'leader': TABLE[mode].leader_torque}
        if mode is Mode.IDLE:
            self._torque.pop('follower', None)
        else:
            wanted['follower'] = True
        for arm, on in wanted.items():
            with self._sending:
                if (
                    mode is Mode.ESTOP
                    or self._stopped
                    or on is None
                    or self._torque.get(arm) == on
                ):
                    continue
                self._arms.set_torque(arm, on)
                self._torque[arm] = on

    def forget_torque(self) -> None:
        """Request all torque again: a restarted driver does not know the last request."""
        self._torque.clear()
