"""Interventions: detects grab and release of the leader, and computes the human's actions.

Leader and follower may differ at a take-over. A clutch measures both relative to their poses at
the take-over, so the follower does not jump.
"""

from collections.abc import Callable

import numpy as np

from so101_node.errors import CellError
from so101_node.modes import Mode

from .interfaces import Action, Joints, Kinematics
from .leader_grab import LeaderGrab

GRABBED = 'the leader was grabbed'


class TakeOver:
    """State of the leader in one control loop; for the loop's thread only."""

    def __init__(self, kinematics: Kinematics, rate: float):
        self._kinematics = kinematics
        self._grab = LeaderGrab(rate)
        self._by_grab = False  # whether a grab of the leader started this intervention
        self._clutch: tuple[Joints, Joints] | None = None  # leader, reference at the take-over
        self._prepared: Callable[[], Action] | None = None  # waits for the requested action

    def mode_changed(self, cause: str) -> None:
        """Reset the detection after a change of mode."""
        self.forget_prepared()
        self._grab.reset()
        self._by_grab = cause == GRABBED

    def engage(self, leader: Joints, reference: Joints) -> None:
        """Measure both arms, (6,) rad, relative to these poses from now on."""
        self._clutch = leader.copy(), reference.copy()

    def note_leader_command(self, target: Joints) -> None:
        """Note a command to the mirroring leader, (6,) rad."""
        self._grab.note_command(target)

    def poll(self, mode: Mode, leader: Joints) -> tuple[str, str] | None:
        """Return the event and its cause if the leader (6,) rad was grabbed or released."""
        if mode is Mode.POLICY and self._grab.grabbed(leader):
            return 'intervene', GRABBED
        if mode is Mode.HUMAN and self._by_grab and self._grab.released(leader):
            return 'release', 'the leader was released'
        return None

    def prepare(self, leader: Joints, reference: Joints) -> None:
        """Request the action of the next tick; both arms (6,) rad."""
        assert self._clutch is not None  # HUMAN begins with `engage`
        self._prepared = self._kinematics.ask_action(leader, reference, *self._clutch)

    def forget_prepared(self) -> None:
        """Drop a requested action that is not needed."""
        self._prepared = None

    def action(self, leader: Joints | None, reference: Joints) -> Action:
        """Return the human's action (A,), prepared or requested now; both arms (6,) rad."""
        if leader is None:
            raise CellError('the leader arm stopped reporting joint states; the follower holds')
        assert self._clutch is not None  # HUMAN begins with `engage`
        prepared, self._prepared = self._prepared, None
        action = (
            prepared() if prepared else self._kinematics.action(leader, reference, *self._clutch)
        )
        return np.clip(action, -1.0, 1.0).astype(np.float32)
