"""Gives the servos of a new arm their ids, baud rate and settings, one servo at a time.

The gripper comes first, as in LeRobot's set-up. The state is in the servos alone: after a stop,
the set-up goes on with the next servo. Nothing is written while two servos may answer to one id.
"""

from collections.abc import Callable, Iterator
import contextlib
import signal
import threading

from so101_description.joints import JOINTS, SERVO_IDS
from so101_node.errors import CellError

from . import servo
from .bus import Bus, NoAnswer
from .configure import different_registers, settings_of
from .missing import missing_servos
from .scan import BAUD_RATES, TABLE, Found, answers_alone, scan
from .serial_port import BAUD_RATE
from .supply import MEASURED_AWAY, measured, misfit

ORDER = tuple(reversed(JOINTS))
FACTORY_ID = 1
# Gear ratios of the leader's servos; the follower's are all 1:345. No register shows them.
LEADER_GEARS = dict(zip(JOINTS, ('1:191', '1:345', '1:191', '1:147', '1:147', '1:147')))

Say = Callable[[str], object]


class Refused(CellError):
    """Something that the user can change at the table; the question is asked again."""


class Setup:
    """The set-up of one arm.

    ask(text): shows a text and waits for Enter. say(text): shows a line. supply: V, or None.
    """

    def __init__(self, arm: str, bus: Bus, ask: Say, say: Say, supply: float | None = None):
        self._arm, self._bus, self._ask, self._say, self._supply = arm, bus, ask, say, supply
        self.done: list[str] = []  # joints

    def run(self) -> None:
        """Set all servos up, then check the chain of all six."""
        for joint in self._recognised():
            self.done.append(joint)
            self._say(f'{joint} (id {SERVO_IDS[joint]}) is done already')
        for joint in ORDER:
            if joint not in self.done:
                self.set_up(joint)
        self._until_accepted(
            'Connect all six servos in their chain, then press Enter.', self._check_chain
        )

    def set_up(self, joint: str, rename: bool = False) -> None:
        """Set one servo up. rename: even if it has the id of another joint."""
        gear = LEADER_GEARS[joint] if self._arm == 'leader' else '1:345'
        self._until_accepted(
            f'Connect only the servo of {joint} (gear {gear}), no other, then press Enter.',
            lambda: self._set_up(joint, rename),
        )
        self.done.append(joint)

    def _until_accepted(self, question: str, check: Callable[[], None]) -> None:
        while True:
            self._ask(question)
            try:
                check()
            except Refused as refused:
                self._say(str(refused))
            else:
                return

    def _recognised(self) -> list[str]:
        """Return the joints whose servos are on the bus and finished."""
        present = {f.id: f for f in scan(self._bus, [BAUD_RATE]) if f.clean}
        return [
            joint
            for joint in ORDER
            if SERVO_IDS[joint] in present
            and not _unfinished(joint, self._table(present[SERVO_IDS[joint]]))
        ]

    # --- one servo ---------------------------------------------------------------------------
    def _set_up(self, joint: str, rename: bool) -> None:
        found = self._only_servo()
        try:
            self._bus.set_baud_rate(found.rate)
            table = self._table(found)
            self._check(joint, found, table, rename)
            wrong = _unfinished(joint, table)
            if found == Found(SERVO_IDS[joint], BAUD_RATE) and not wrong:
                self._say(f'{joint}: done already ({_describe(table)})')
                return
            with _uninterrupted():
                self._write(joint, found, wrong)
            table = self._table(Found(SERVO_IDS[joint], BAUD_RATE))
        except NoAnswer as error:
            raise Refused(self._state(joint, error)) from error
        finally:
            self._bus.set_baud_rate(BAUD_RATE)
        left = _unfinished(joint, table)
        if left:
            raise CellError(
                f'{joint}: registers {", ".join(map(str, left))} do not keep what was written; '
                'power the servo off and on, and run the command again'
            )
        was_id = f' (was {found.id})' if found.id != SERVO_IDS[joint] else ''
        was_rate = f' (was {found.rate:,})' if found.rate != BAUD_RATE else ''
        registers = ', '.join(map(str, sorted(wrong))) or 'none'
        self._say(
            f'{joint}: done: id {SERVO_IDS[joint]}{was_id}, {BAUD_RATE:,} baud{was_rate}, '
            f'settings written: registers {registers} ({_describe(table)})'
        )

    def _only_servo(self) -> Found:
        found = scan(self._bus)
        if not found:
            raise Refused('no servo answers at any baud rate; check its plug and the supply')
        if len(found) > 1 or not found[0].clean:
            raise Refused(
                f'more than one servo answers: {", ".join(map(str, found))}; nothing was written: '
                'leave only one connected'
            )
        return found[0]

    def _check(self, joint: str, found: Found, table: bytes, rename: bool) -> None:
        model = int.from_bytes(table[servo.MODEL : servo.MODEL + 2], 'little')
        if model != servo.MODEL_NUMBER:
            raise Refused(
                f'the servo is model {model}, not an STS3215 ({servo.MODEL_NUMBER}); nothing was '
                'written'
            )
        self._check_supply(joint, table)
        other = next((j for j in JOINTS if SERVO_IDS[j] == found.id and j != joint), None)
        fresh = found.id == FACTORY_ID and other and _unfinished(other, table)
        if other and not fresh and not rename:
            raise Refused(
                f'this servo has id {found.id} already, that of {other}; connect the servo of '
                f'{joint}. To use this one, add --joint {joint}'
            )

    def _check_supply(self, joint: str, table: bytes) -> None:
        for volts, what in ((self._supply, 'the supply has'), (measured(table), 'it measures')):
            if volts is not None and (problem := misfit(table, volts)):
                raise CellError(
                    f'{joint}: {what} {problem}; nothing was written. Switch the supply off, and '
                    'use one that fits the servo'
                )
        if self._supply is not None and abs(self._supply - measured(table)) > MEASURED_AWAY:
            self._say(
                f'{joint}: the servo measures {measured(table):.1f} V, not {self._supply:.1f} V '
                '(--voltage): is this the right supply?'
            )

    def _write(self, joint: str, found: Found, wrong: dict[int, tuple[int, int]]) -> None:
        """Write settings, then id and baud rate: until then the servo is found as before."""
        bus, new = self._bus, SERVO_IDS[joint]
        bus.write(found.id, servo.TORQUE_ENABLE, 1, 0)
        bus.write(found.id, servo.LOCK, 1, 0)
        for address, (size, value) in wrong.items():
            bus.write(found.id, address, size, value)
        if found.id != new:
            with contextlib.suppress(NoAnswer):  # some answer with the new id
                bus.write(found.id, servo.ID, 1, new)
        if found.rate != BAUD_RATE:
            with contextlib.suppress(NoAnswer):  # or at the new baud rate
                bus.write(new, servo.BAUD_RATE, 1, BAUD_RATES.index(BAUD_RATE))
        bus.set_baud_rate(BAUD_RATE)
        bus.write(new, servo.LOCK, 1, 1)

    def _table(self, found: Found) -> bytes:
        return self._bus.read(found.id, 0, TABLE)[1]

    def _state(self, joint: str, error: CellError) -> str:
        """Return where a servo is that stopped answering while it was set up."""
        found = ', '.join(map(str, scan(self._bus))) or 'nothing answers'
        return (
            f'{joint}: not finished: {error}. Now: {found}. Connect it again; the set-up goes on '
            'from there'
        )

    # --- all servos --------------------------------------------------------------------------
    def _check_chain(self) -> None:
        lines = []
        for joint in JOINTS:
            number = SERVO_IDS[joint]
            try:
                table = self._table(Found(number, BAUD_RATE))
            except NoAnswer:
                raise Refused(
                    f'{joint}: servo {number} does not answer{missing_servos(self._bus)}'
                ) from None
            if not answers_alone(self._bus, number):
                raise Refused(f'two servos or more answer to id {number}; disconnect one')
            self._check_supply(joint, table)
            if wrong := _unfinished(joint, table):
                raise Refused(
                    f'{joint}: servo {number} is not finished (registers '
                    f'{", ".join(map(str, wrong))}); run ./cell motors {self._arm} --joint {joint}'
                )
            lines.append(f'{joint}: id {number}, {_describe(table)}')
        for line in lines:
            self._say(line)


def _unfinished(joint: str, table: bytes) -> dict[int, tuple[int, int]]:
    """Return the settings {address: (size, value)} that a servo does not have yet."""
    return different_registers(table, settings_of(joint))


def _describe(table: bytes) -> str:
    major, minor = table[servo.FIRMWARE : servo.FIRMWARE + 2]
    model = int.from_bytes(table[servo.MODEL : servo.MODEL + 2], 'little')
    return (
        f'firmware {major}.{minor}, model {model}, measures '
        f'{0.1 * table[servo.PRESENT_VOLTAGE]:.1f} V, made for at most '
        f'{0.1 * table[servo.MAX_VOLTAGE_LIMIT]:.1f} V'
    )


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back until the servo is written: some hundredths of a second."""
    stopped = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if stopped.is_set():
        raise KeyboardInterrupt
