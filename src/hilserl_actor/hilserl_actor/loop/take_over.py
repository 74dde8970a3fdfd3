"""The human's side of an episode: taking over by a grab of the leader, and the human's actions.

At the moment of a take-over leader and follower may be apart; a clutch lets both count from where
they were then, so that the follower does not jump.
"""

import numpy as np

from so101_node.errors import CellError

from .interfaces import Kinematics
from .leader_grab import LeaderGrab
from .modes import Mode

GRABBED = 'the leader was grabbed'


class TakeOver:
    """State of the leader in one control loop; used by the loop's thread alone."""

    def __init__(self, kinematics: Kinematics, rate: float):
        self._kinematics = kinematics
        self._grab = LeaderGrab(rate)
        self._by_grab = False  # the human has the command since the leader was grabbed
        self._clutch: tuple = ()  # leader, reference at entry
        self._prepared = None  # waits for the action that the leader showed

    def mode_changed(self, cause: str) -> None:
        """Begin anew in another mode."""
        self.forget_prepared()
        self._grab.rest()
        self._by_grab = cause == GRABBED

    def engage(self, leader, reference) -> None:
        """Let both arms, (6,) rad, count from here."""
        self._clutch = leader.copy(), reference.copy()

    def leader_commanded(self, target) -> None:
        """Note where the mirroring leader was sent to, (6,) rad."""
        self._grab.commanded(target)

    def poll(self, mode: Mode, leader) -> tuple[str, str] | None:
        """Return the event, and its cause, that the hand at the leader (6,) rad asks for."""
        if mode is Mode.POLICY and self._grab.grabbed(leader):
            return 'intervene', GRABBED
        if mode is Mode.HUMAN and self._by_grab and self._grab.let_go(leader):
            return 'release', 'the leader was let go'
        return None

    def prepare(self, leader, reference) -> None:
        """Ask for the action that the coming tick will need; both arms (6,) rad."""
        self._prepared = self._kinematics.ask_action(leader, reference, *self._clutch)

    def forget_prepared(self) -> None:
        """Drop an action that was asked for and is not needed."""
        self._prepared = None

    def action(self, leader, reference) -> np.ndarray:
        """The human's action (4,), as prepared or asked for now; both arms (6,) rad."""
        if leader is None:
            raise CellError('the leader arm stopped reporting; the follower holds')
        prepared, self._prepared = self._prepared, None
        action = (
            prepared() if prepared else self._kinematics.action(leader, reference, *self._clutch)
        )
        return np.clip(action, -1.0, 1.0).astype(np.float32)
