"""The operator's screen: mode, figures, the arms' temperature and load, messages, keys.

It builds a rich renderable from the latest messages; the node shows it. Times are s of a steady
clock.
"""

from collections import deque
from math import isfinite, isnan

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from so101_description.joints import JOINTS
from so101_node import names
from so101_node.modes import Mode

from .statuses import ActorStatus, LearnerStatus

COLOURS: dict[str, str] = {
    Mode.POLICY: 'cyan',
    Mode.HUMAN: 'magenta',
    Mode.EVAL: 'cyan',
    Mode.READY: 'green',
    Mode.RESET: 'yellow',
    Mode.IDLE: 'white',
    Mode.PAUSED: 'yellow',
    Mode.ESTOP: 'red',
}
MODE_TEXTS: dict[str, str] = {
    Mode.POLICY: 'the policy drives',
    Mode.HUMAN: 'you drive, through the leader',
    Mode.EVAL: 'the policy drives, the leader is ignored',
    Mode.READY: 'waiting for you: space starts',
    Mode.RESET: 'on the way to the start pose',
    Mode.IDLE: 'the arm does not move',
    Mode.PAUSED: 'paused: p goes on',
    Mode.ESTOP: 'EMERGENCY STOP: c clears it',
}
HOT = 50  # degrees C of a servo
DETAILS_HEIGHT = 36  # lines of a terminal that can show borders and details
MOST_WARNINGS = 30  # of /diagnostics
SILENCE = 3.0  # s without a status after which actor or learner counts as gone
LEVELS = {1: 'yellow', 2: 'red', 3: 'red'}  # of a diagnostic: warning, error, stale
Row = tuple[str, RenderableType, str, RenderableType]  # two names, each with its value


def _text(value: RenderableType) -> RenderableType:
    return Text(value) if isinstance(value, str) else value


def _has_numbers(values: dict[str, str]) -> bool:
    """Return whether what the screen reads of a servo's values are numbers."""
    try:
        return all(isfinite(float(values.get(key, 0))) for key in ('temperature_c', 'load'))
    except ValueError:
        return False


class Screen:
    """Keeps the latest messages and renders them."""

    def __init__(self, keys: str):
        self.actor: ActorStatus | None = None
        self.learner: LearnerStatus | None = None
        self.servos: dict[str, dict[str, dict[str, str]]] = {}  # arm -> joint -> values
        self.warnings: dict[str, tuple[int, str]] = {}  # diagnostic -> (level, message)
        self.outcomes: deque[str] = deque(maxlen=40)
        self.lines: deque[tuple[str, str]] = deque(maxlen=6)  # (style, text)
        self._keys = keys
        self._actor_at = self._learner_at = self._policy_at = 0.0

    def note_actor(self, status: ActorStatus, now: float) -> None:
        """Store a status; an episode that ended adds its outcome to the history."""
        before, self.actor, self._actor_at = self.actor, status, now
        if before is None or status.policy_version != before.policy_version:
            self._policy_at = now
        if before is not None and status.episodes > before.episodes:
            self.outcomes.append('+' if status.successes > before.successes else '-')
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

    def render(self, now: float, height: int) -> RenderableType:
        """Return the renderable for a terminal of `height` lines."""
        actor = self.actor
        if actor is None:
            return Panel('waiting for the actor', title='SO-101')
        parts: list[tuple[str, RenderableType]] = [
            ('', self._figures(actor, now, height)),
            ('last messages', self._messages(height)),
            ('keys', self._keys_in_columns()),
        ]
        if height >= DETAILS_HEIGHT:
            parts = [
                (title, Panel(part, title=title or None, border_style='dim'))
                for title, part in parts
            ]
        return Group(self._head(actor, now), *(part for _, part in parts))

    def _head(self, actor: ActorStatus, now: float) -> Panel:
        colour = COLOURS.get(actor.mode, 'white')
        text = Text()
        text.append(f' {actor.mode} ', style=f'bold reverse {colour}')
        text.append(f'  {MODE_TEXTS.get(actor.mode, "")}', style=colour)
        if self.actor_gone(now):
            text.append(
                f'\nNO STATUS FROM THE ACTOR for {now - self._actor_at:.0f} s', style='bold red'
            )
        text.append(
            f'\n{actor.message or actor.hint}', style='yellow' if actor.message else 'italic'
        )
        return Panel(text, title='SO-101', border_style=colour)

    def _figures(self, actor: ActorStatus, now: float, height: int) -> Table:
        grid = Table.grid(padding=(0, 3))
        for _ in range(4):
            grid.add_column()
        at_limit = '-' if isnan(actor.saturation) else f'{100 * actor.saturation:.0f} %'
        rate = '-' if isnan(actor.success_rate) else f'{100 * actor.success_rate:.0f} %'
        rows: list[Row] = [
            (
                'episode',
                f'{actor.episode}, step {actor.step}, {actor.episode_s:.1f} s',
                'sigma',
                f'{actor.sigma:.2f}',
            ),
            (
                'success',
                f'{actor.successes} of {actor.episodes}, last 20: {rate}',
                'policy',
                self._policy(actor, now),
            ),
            (
                'history',
                ''.join(self.outcomes) or '-',
                'alone',
                f'{actor.streak} successes in a row',
            ),
            (
                'your share',
                f'{100 * actor.intervention_share:.0f} % in {actor.interventions} take-overs',
                'period',
                f'{actor.period_ms_p50:.0f} ms, p99 {actor.period_ms_p99:.0f}, '
                f'{actor.missed_ticks} missed',
            ),
            (
                'steps',
                f'{actor.env_steps} of the run, {actor.dropped_steps} dropped',
                'image age',
                f'{actor.observation_age_ms:.0f} ms',
            ),
        ]
        details: list[Row] = [
            ('at limit', f'{at_limit} of the actions', 'limited', actor.limited or '-')
        ]
        if self.learner is not None:
            learner, *more = self._learner_rows(self.learner, now)
            rows.append(learner)
            details += more
        rows += details if height >= DETAILS_HEIGHT else []
        for a, b, c, d in rows:
            # as Text: in a plain string, rich would read [...] as its markup
            grid.add_row(Text(a, style='dim'), _text(b), Text(c, style='dim'), _text(d))
        for arm in sorted(self.servos):
            grid.add_row(
                Text(arm, style='dim'),
                self._temperature(arm),
                Text('load', style='dim'),
                self._load(arm),
            )
        return grid

    def _policy(self, actor: ActorStatus, now: float) -> str:
        if not actor.policy_version:
            return 'none yet'
        return (
            f'version {actor.policy_version}, {actor.policy_sha256[:8]}, '
            f'{now - self._policy_at:.0f} s old'
        )

    def _learner_rows(self, learner: LearnerStatus, now: float) -> list[Row]:
        if self.learner_gone(now):
            gone = Text(f'GONE for {now - self._learner_at:.0f} s', style='bold red')
            return [('learner', gone, 'replay', '-')]
        return [
            (
                'learner',
                f'{learner.state.lower()}, {learner.updates} updates, '
                f'{learner.updates_per_s:.1f} a second',
                'replay',
                f'{learner.replay_steps} steps, {learner.prior_steps} human, '
                f'{learner.rejected_steps} rejected',
            ),
            (
                'ratio',
                f'{learner.update_ratio:.2f} updates a step (target {learner.target_ratio:.2f})',
                'checkpoint',
                learner.checkpoint or '-',
            ),
        ]

    def _temperature(self, arm: str) -> Text:
        temperature, joint = max(
            (float(values.get('temperature_c', 0)), joint)
            for joint, values in self.servos[arm].items()
        )
        return Text(
            f'{"HOT " if temperature > HOT else ""}{temperature:.0f} C at {joint}',
            style='bold red' if temperature > HOT else '',
        )

    def _load(self, arm: str) -> str:
        load, joint = max(
            (abs(float(values.get('load', 0))), joint)
            for joint, values in self.servos[arm].items()
        )
        return f'{100 * load:.0f} % at {joint}'

    def _messages(self, height: int) -> Text:
        text = Text(no_wrap=True, overflow='ellipsis')
        for name, (level, message) in sorted(self.warnings.items()):
            text.append(f'{name}: {message}\n', style=LEVELS.get(level, 'red'))
        for style, line in list(self.lines)[0 if height >= DETAILS_HEIGHT else -2 :]:
            text.append(line + '\n', style=style)
        text.right_crop(1)
        return text

    def _keys_in_columns(self) -> Table:
        lines = self._keys.splitlines()
        half = (len(lines) + 1) // 2
        grid = Table.grid(padding=(0, 4))
        for _ in range(2):
            grid.add_column(no_wrap=True)
        grid.add_row('\n'.join(lines[:half]), '\n'.join(lines[half:]))
        return grid
