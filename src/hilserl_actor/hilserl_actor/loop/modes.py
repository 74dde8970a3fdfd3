"""The modes of the control loop as one table and one state machine.

Only this table says who commands, whether the leader has torque, and whether steps are recorded.
An event that the table does not list is refused with a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass

from so101_node.modes import LEADER_TORQUE, Mode


@dataclass(frozen=True)
class ModeRow:
    """One row of the table."""

    commander: str  # who decides the follower's motion
    # on: the leader mirrors the follower; off: the human can move it; None: as it was
    leader_torque: bool | None
    recording: bool  # steps are stored
    exits: dict[str, Mode]  # event -> next mode


_TORQUE = {True: 'on', False: 'off', None: 'as it was'}
OWN_EVENTS = ('arrived', 'timeout', 'fault')  # of the loop itself: no person asks for them
START_EVENTS = ('start', 'start_eval', 'start_human')
# What a person does to cause an event, with the operator's key for it.
EVENT_WORDS = {
    'preflight': 'start (space)',
    'start': 'start (space)',
    'start_eval': 'start (space)',
    'start_human': 'start (space)',
    'intervene': 'take over (i)',
    'release': 'give back (o)',
    'success': 'mark success (s)',
    'failure': 'mark failure (f)',
    'discard': 'discard (d)',
    'pause': 'pause (p)',
    'resume': 'go on (p)',
    'estop': 'stop (x or v)',
    'estop_reset': 'end the stop (c)',
}
_STOPS = {'estop': Mode.ESTOP}
_EPISODE_ENDS = {
    'success': Mode.RESET,
    'failure': Mode.RESET,
    'discard': Mode.RESET,
    'timeout': Mode.RESET,
    'fault': Mode.RESET,
    'pause': Mode.PAUSED,
}

TABLE: dict[Mode, ModeRow] = {
    mode: ModeRow(commander, LEADER_TORQUE[mode], recording, exits)
    for mode, (commander, recording, exits) in {
        Mode.IDLE: ('nobody: the arm holds', False, {'preflight': Mode.RESET, **_STOPS}),
        Mode.RESET: (
            'reset path',
            False,
            {'arrived': Mode.READY, 'pause': Mode.PAUSED, 'fault': Mode.IDLE, **_STOPS},
        ),
        Mode.READY: (
            'nobody: the arm holds',
            False,
            {
                'start': Mode.POLICY,
                'start_eval': Mode.EVAL,
                'start_human': Mode.HUMAN,
                'pause': Mode.PAUSED,
                'fault': Mode.IDLE,
                **_STOPS,
            },
        ),
        Mode.POLICY: ('policy', True, {'intervene': Mode.HUMAN, **_EPISODE_ENDS, **_STOPS}),
        Mode.HUMAN: (
            'human, through the leader',
            True,
            {'release': Mode.POLICY, **_EPISODE_ENDS, **_STOPS},
        ),
        Mode.EVAL: ('policy, deterministic', True, {**_EPISODE_ENDS, **_STOPS}),
        Mode.PAUSED: ('nobody: the arm holds', False, {'resume': Mode.RESET, **_STOPS}),
        Mode.ESTOP: ('nobody: the arm holds', False, {'estop_reset': Mode.IDLE}),
    }.items()
}


def words(event: str) -> str:
    """Return an event as a person does it, with its key."""
    return EVENT_WORDS.get(event, event)


class ModeMachine:
    """The current mode; `fire` changes it, or refuses with a log line."""

    def __init__(self, log: Callable[[str], object] = lambda sentence: None):
        self.mode = Mode.IDLE
        self._log = log

    @property
    def row(self) -> ModeRow:
        """The table's row of the current mode."""
        return TABLE[self.mode]

    def refusal(self, event: str) -> str:
        """Return why `event` is refused in this mode; '' if it is possible."""
        if event in self.row.exits:
            return ''
        if self.mode is Mode.RESET and event in START_EVENTS:
            return 'not yet: the arm is on its way to the start pose; start again in READY'
        possible = dict.fromkeys(words(e) for e in self.row.exits if e not in OWN_EVENTS)
        return f'{words(event)} is not possible in {self.mode}; possible: {", ".join(possible)}'

    def fire(self, event: str, cause: str) -> bool:
        """Change to the mode that `event` leads to and log the cause; False if it is refused."""
        refusal = self.refusal(event)
        if refusal:
            self._log(refusal)
            return False
        before, self.mode = self.mode, self.row.exits[event]
        self._log(f'{before} -> {self.mode}: {cause}')
        return True


def markdown_table() -> str:
    """Return the table in Markdown, as in docs/architecture.md."""
    lines = [
        '| mode | who commands the follower | leader torque | recorded | leaves by |',
        '|---|---|---|---|---|',
    ]
    for mode, row in TABLE.items():
        exits = ', '.join(f'{event} → {to}' for event, to in row.exits.items())
        lines.append(
            f'| {mode} | {row.commander} | '
            f'{_TORQUE[row.leader_torque]} | '
            f'{"yes" if row.recording else "no"} | {exits} |'
        )
    return '\n'.join(lines)
