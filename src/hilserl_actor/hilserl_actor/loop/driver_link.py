"""What the loop knows of the driver: the stop in force there, and which node has the command.

The driver's stop and the mode ESTOP belong together: either one brings the other. Times are s of
one monotonic clock.
"""

from collections.abc import Callable
from typing import NamedTuple

from so101_node.modes import Mode

from .interfaces import Arms

REFUSALS = 5  # commands that may be refused before the command is asked for again
REPEAT = 0.3  # s between two requests of the same kind
SILENCE = 1.0  # s without a status after which the driver counts as gone


class DriverState(NamedTuple):
    """The content of a DriverStatus. stop: what is in force; '' without a stop."""

    session: str
    stop: str
    commander: str
    run_id: str
    refused: int = 0  # commands since the driver's start
    joint_limits: str = ''  # its option; '' if it is not known


class DriverLink:
    """Keeps the driver's stop and the mode in step, and the command with this actor.

    node, run_id: of this actor. stop(cause): puts the loop into its stop. patience: factor of
    SILENCE.
    """

    def __init__(
        self,
        arms: Arms,
        node: str,
        run_id: str,
        stop: Callable[[str], object],
        patience: float = 1.0,
    ):
        self._silence = SILENCE * patience
        self._arms, self._node, self._run_id, self._stop = arms, node, run_id, stop
        self._state: DriverState | None = None
        self._at = self._stop_due = self._command_due = 0.0
        self._asked_session = ''  # in which this actor asked for the command
        self._refused = 0  # commands, when it asked
        self._stopped_session = ''  # in which the driver's stop was seen since the mode is ESTOP

    def note(self, state: DriverState, now: float) -> None:
        """Take note of a status. Any thread may call it."""
        self._state, self._at = state, now

    def update(self, mode: Mode, now: float) -> None:
        """Ask the driver for what it lacks. Called in each tick."""
        state = self._state
        if state is None or now - self._at > self._silence:
            if mode is not Mode.ESTOP:
                self._stopped_session = ''
            return
        if mode is not Mode.ESTOP:
            self._stopped_session = ''
            if state.stop:
                self._stop(f'the driver: {state.stop}')
            elif mode in (Mode.IDLE, Mode.RESET, Mode.READY) and (
                not self.has_command or state.refused > self._refused + REFUSALS
            ):
                self._take_command(now)
        elif state.stop:
            self._stopped_session = state.session
        elif self._stopped_session != state.session and now > self._stop_due:
            # The request was lost, or this is another driver: it must have the stop, too.
            self._stop_due = now + REPEAT
            self._arms.stop()

    def _take_command(self, now: float) -> None:
        if now > self._command_due:
            self._command_due = now + REPEAT
            state = self._state
            if self._arms.take_command() and state is not None:
                self._asked_session, self._refused = state.session, state.refused

    @property
    def has_command(self) -> bool:
        """Return whether the driver obeys this actor.

        A restarted actor has the name and the run of the one before: it must ask, too.
        """
        state = self._state
        return (
            state is not None
            and (state.commander, state.run_id) == (self._node, self._run_id)
            and state.session == self._asked_session
        )

    @property
    def joint_limits(self) -> str:
        """Return the driver's option joint_limits, '' if it is not known."""
        return self._state.joint_limits if self._state else ''

    def reset_refusal(self, now: float) -> str:
        """Return why the mode ESTOP cannot end yet, or ''."""
        state = self._state
        if state is None or now - self._at > self._silence or not state.stop:
            return ''
        return (
            "the driver's stop is still in force; call driver/stop_reset first (key c does both)"
        )

    def command_problem(self, now: float) -> str:
        """Return a sentence for the preflight if this actor does not have the command, or ''."""
        state = self._state
        if state is None or now - self._at > self._silence:
            return 'no status of the driver; start `driver`'
        if self.has_command:
            return ''
        if not state.commander:
            return 'the driver has not given the command to this actor yet'
        run = f' of run {state.run_id[:80]}' if state.run_id else ''
        return f'{state.commander[:100]}{run} has the command of the arms; end it first'
