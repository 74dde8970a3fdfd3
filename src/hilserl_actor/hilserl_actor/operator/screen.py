"""The operator's screen: mode, figures, messages, keys, in a terminal of any size.

It builds a rich renderable from the latest messages; the node shows it. Head and keys are always
there; a small terminal shows fewer figures, the most important ones. Texts are cut between words.
Times are s of a steady clock.
"""

from collections import deque
import io
from math import isfinite

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from so101_description.joints import JOINTS
from so101_node import names

from ..options import LEADER, SCRIPTED
from .figures import Row, Servos, actor_rows, arm_rows, detail_rows, learner_rows
from .keyboard import key_rows
from .mode_texts import COLOURS, mode_text
from .statuses import ActorStatus, LearnerStatus

DETAILS = (104, 36)  # columns and lines of a terminal that can show borders and details
TABLE = (76, 24)  # columns and lines of one that can show what each key does
TWO_COLUMNS = 100  # columns that hold two figures side by side
MOST_WARNINGS = 30  # of /diagnostics
SILENCE = 3.0  # s without a status after which actor or learner counts as gone
LEVELS = {1: 'yellow', 2: 'red', 3: 'red'}  # of a diagnostic: warning, error, stale
ALONE, HELPED, FAILED = '+', 'h', '-'  # an episode in the history


def shortened(text: str, width: int) -> str:
    """Return a text in one line of `width` columns, cut between words if it is too long."""
    if len(text) <= width:
        return text
    whole, _, _ = text[: max(1, width - 1)].rpartition(' ')
    return f'{whole} …' if whole else text[: max(1, width - 1)] + '…'


def _has_numbers(values: dict[str, str]) -> bool:
    """Return whether what the screen reads of a servo's values are numbers."""
    try:
        return all(isfinite(float(values.get(key, 0))) for key in ('temperature_c', 'load'))
    except ValueError:
        return False


class Screen:
    """Keeps the latest messages and renders them.

    teleop: who moves the leader. link: to the console's page, which a browser shows.
    """

    def __init__(self, teleop: str = LEADER, link: str = ''):
        self.actor: ActorStatus | None = None
        self.learner: LearnerStatus | None = None
        self.servos: Servos = {}
        self.warnings: dict[str, tuple[int, str]] = {}  # diagnostic -> (level, message)
        self.outcomes: deque[str] = deque(maxlen=40)
        self.lines: deque[tuple[str, str]] = deque(maxlen=6)  # (style, text)
        self._teleop, self._link = teleop, link
        self._keys = key_rows(teleop)
        self._actor_at = self._learner_at = self._policy_at = 0.0

    def note_actor(self, status: ActorStatus, now: float) -> None:
        """Store a status; an episode that ended adds its outcome to the history."""
        before, self.actor, self._actor_at = self.actor, status, now
        if before is None or status.policy_version != before.policy_version:
            self._policy_at = now
        if before is not None and status.episodes > before.episodes:
            self.outcomes.append(
                ALONE
                if status.alone > before.alone
                else HELPED
                if status.successes > before.successes
                else FAILED
            )
        elif before is not None and status.episodes < before.episodes and self.outcomes:
            self.outcomes.pop()  # it was discarded afterwards

    def note_learner(self, status: LearnerStatus, now: float) -> None:
        """Store a status."""
        self.learner, self._learner_at = status, now

    def note_diagnostic(self, name: str, level: int, message: str, values: dict[str, str]) -> None:
        """Store one status of /diagnostics."""
        self.warnings.pop(name, None)
        if level:
            self.warnings[name] = (level, message)
            if len(self.warnings) > MOST_WARNINGS:
                del self.warnings[next(iter(self.warnings))]
        node, _, servo = name.partition(': ')
        arm, _, joint = servo.partition(': ')
        if node == 'driver' and arm in names.ARMS and joint in JOINTS and _has_numbers(values):
            self.servos.setdefault(arm, {})[joint] = values

    def actor_gone(self, now: float) -> bool:
        """Return whether no status of the actor came for SILENCE s, after there was one."""
        return self.actor is not None and now - self._actor_at > SILENCE

    def learner_gone(self, now: float) -> bool:
        """Return whether no status of the learner came for SILENCE s, after there was one."""
        return self.learner is not None and now - self._learner_at > SILENCE

    def render(self, now: float, height: int, width: int) -> RenderableType:
        """Return the renderable for a terminal of `height` lines and `width` columns."""
        actor = self.actor
        if actor is None:
            text = 'waiting for the actor' + (
                f'\nin a browser: {self._link}' if self._link else ''
            )
            return Panel(Text(text), title='SO-101')
        detailed = width >= DETAILS[0] and height >= DETAILS[1]
        head = self._head(actor, now, width, bordered=height >= TABLE[1])
        keys = (
            self._keys_in_columns(width)
            if width >= TABLE[0] and height >= TABLE[1]
            else self._keys_in_a_row(width)
        )
        if detailed:
            figures = self._figures(self.rows(actor, now, True), width - 4, 99)
            parts: list[tuple[str, RenderableType]] = [
                ('', figures),
                ('last messages', self._messages(6, width - 4)),
                *([('in a browser', Text(self._link, overflow='fold'))] if self._link else []),
                ('keys', keys),
            ]
            return Group(
                head,
                *(Panel(part, title=title or None, border_style='dim') for title, part in parts),
            )
        # The last line stays free: a terminal may scroll after a full one.
        left = height - 1 - _lines_of(head, width) - _lines_of(keys, width)
        figures = self._figures(self.rows(actor, now, False), width, max(0, left - 1))
        left -= _lines_of(figures, width)
        return Group(head, figures, self._messages(max(0, min(3, left)), width), keys)

    def _head(self, actor: ActorStatus, now: float, width: int, bordered: bool) -> RenderableType:
        colour = COLOURS.get(actor.mode, 'white')
        text = Text()
        text.append(f' {actor.mode} ', style=f'bold reverse {colour}')
        text.append(f'  {mode_text(actor.mode, self._teleop)}', style=colour)
        if self.actor_gone(now):
            text.append(
                f'\nNO STATUS FROM THE ACTOR for {now - self._actor_at:.0f} s', style='bold red'
            )
        hint = '' if self._teleop == SCRIPTED else actor.hint
        said, style = (actor.message, 'yellow') if actor.message else (hint, 'italic')
        if bordered:
            text.append(f'\n{said}', style=style)
            return Panel(text, title='SO-101', border_style=colour)
        if said:
            text.append(f'\n{shortened(said, width)}', style=style)
        return text

    def policy_age(self, now: float) -> float:
        """Return for how long the actor's policy has been the same, s."""
        return now - self._policy_at

    def rows(self, actor: ActorStatus, now: float, detailed: bool) -> list[Row]:
        """Return the rows of figures; detailed: all of them."""
        learner = None if self.learner_gone(now) else self.learner
        rows = actor_rows(
            actor, learner, ''.join(self.outcomes), self.policy_age(now), self._teleop
        )
        more: list[Row] = []
        if learner is not None:
            more = learner_rows(learner)
        elif self.learner is not None:
            gone = f'GONE for {now - self._learner_at:.0f} s'
            more = [('learner', Text(gone, style='bold red'))]
        arms = arm_rows(self.servos)
        # Of each source the most important ones come first.
        rows = [*rows[:4], *more[:2], *arms, *rows[4:], *more[2:]]
        return rows + (detail_rows(actor) if detailed else [])

    def _figures(self, rows: list[Row], width: int, lines: int) -> Table:
        """As many of the rows as fit into `lines` lines, in one column or two."""
        columns = 2 if width >= TWO_COLUMNS - 4 else 1
        shown = rows[: lines * columns]
        grid = Table.grid(padding=(0, 2))
        for _ in range(columns):
            grid.add_column(no_wrap=True)
            grid.add_column(no_wrap=True)
        room = width // columns - 18
        cells = [
            # as Text: in a plain string, rich would read [...] as its markup
            (Text(name, style='dim'), _cut(value, room))
            for name, value in shown
        ]
        half = -(-len(cells) // columns)
        for number in range(half):
            row = cells[number::half][:columns]
            grid.add_row(*(part for cell in row for part in cell))
        return grid

    def _messages(self, lines: int, width: int) -> Text:
        text = Text(no_wrap=True)
        shown = [
            (LEVELS.get(level, 'red'), f'{name}: {message}')
            for name, (level, message) in sorted(self.warnings.items())
        ]
        shown = shown[: max(1, lines // 2)] if lines else []
        left = lines - len(shown)
        for style, line in [*shown, *(list(self.lines)[-left:] if left else ())]:
            text.append(shortened(line, width) + '\n', style=style)
        text.right_crop(1)
        return text

    def _keys_in_columns(self, width: int) -> Table:
        half = (len(self._keys) + 1) // 2
        grid = Table.grid(padding=(0, 1))
        for _ in range(4):
            grid.add_column(no_wrap=True)
        room = width // 2 - 10
        for number in range(half):
            cells = []
            for key, text, _ in self._keys[number::half]:
                cells += [Text(f'  {key}', style='bold'), Text(shortened(text, room))]
            grid.add_row(*cells)
        return grid

    def _keys_in_a_row(self, width: int) -> Text:
        """Every key with a word or two, as many in a line as fit."""
        text, used = Text(), 0
        for key, _, short in self._keys:
            size = len(key) + 1 + len(short)
            if used and used + 3 + size > width:
                text.append('\n')
                used = 0
            text.append(' · ' if used else '', style='dim')
            text.append(key, style='bold')
            text.append(f' {short}')
            used += size + (3 if used else 0)
        return text


def _cut(value: Text, width: int) -> Text:
    short = shortened(value.plain, width)
    return value if short == value.plain else Text(short, style=value.style)


def _lines_of(part: RenderableType, width: int) -> int:
    """Return how many lines a renderable takes."""
    console = Console(file=io.StringIO(), width=width)
    if isinstance(part, Table) and not part.row_count:
        return 0
    return len(console.render_lines(part))
