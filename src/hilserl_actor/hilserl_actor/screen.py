"""The operator's one screen: who commands, how it goes, what the arms feel, which key does what.

Builds a rich renderable from the latest messages; the node shows it. No ROS in here beyond the
fields of the messages.
"""
from collections import deque
from math import isnan

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

COLOURS = {'POLICY': 'cyan', 'HUMAN': 'magenta', 'EVAL': 'cyan', 'READY': 'green',
           'RESET': 'yellow', 'IDLE': 'white', 'PAUSED': 'yellow', 'ESTOP': 'red'}
COMMANDERS = {'POLICY': 'the policy drives', 'HUMAN': 'you drive, through the leader',
              'EVAL': 'the policy drives, the leader is ignored',
              'READY': 'waiting for you: space starts', 'RESET': 'on the way to the start pose',
              'IDLE': 'the arm does not move', 'PAUSED': 'paused: r resumes',
              'ESTOP': 'EMERGENCY STOP: c clears it'}
MUCH_HELP, LITTLE_HELP = 0.7, 0.1       # human share of steps
WARM = 50                               # degrees C of a servo


def hint(actor) -> str:
    """What the intervention share suggests to the operator."""
    if actor.episodes < 5 or isnan(actor.success_rate) or actor.mode == 'EVAL':
        return ''
    if actor.intervention_share > MUCH_HELP:
        return 'you drive most of the time: short take-overs teach more'
    if actor.intervention_share < LITTLE_HELP and actor.success_rate < 0.5:
        return 'it fails and you hardly help: take over earlier'
    return ''


class Screen:
    """The latest of everything, and its picture."""

    def __init__(self, keys: str):
        self.actor = self.learner = None
        self.servos: dict[str, dict[str, str]] = {}     # 'arm/joint' -> diagnostic values
        self.outcomes: deque[str] = deque(maxlen=40)
        self.lines: deque[tuple[str, str]] = deque(maxlen=6)        # (style, text)
        self._keys = keys

    def note_outcomes(self, before, now) -> None:
        """Add a mark for the episode that ended between two actor statuses."""
        if before is not None and now.episodes > before.episodes:
            self.outcomes.append('+' if now.successes > before.successes else '-')

    def picture(self):
        """Return the renderable."""
        if self.actor is None:
            return Panel('waiting for the actor', title='SO-101')
        return Group(self._head(), self._middle(), self._messages(),
                     Panel(self._keys, title='keys', border_style='dim'))

    def _head(self):
        actor = self.actor
        colour = COLOURS.get(actor.mode, 'white')
        text = Text(f' {actor.mode} ', style=f'bold reverse {colour}')
        text.append(f'  {COMMANDERS.get(actor.mode, "")}', style=colour)
        if actor.message:
            text.append(f'\n{actor.message}', style='yellow')
        if hint(actor):
            text.append(f'\n{hint(actor)}', style='italic')
        return Panel(text, title='SO-101', border_style=colour)

    def _middle(self):
        actor, learner = self.actor, self.learner
        grid = Table.grid(padding=(0, 3))
        for _ in range(4):
            grid.add_column()
        rate = '-' if isnan(actor.success_rate) else f'{100 * actor.success_rate:.0f} %'
        rows = [
            ('episode', f'{actor.episode}, step {actor.step}, {actor.episode_s:.1f} s',
             'sigma', f'{actor.sigma:.2f}'),
            ('success', f'{actor.successes} of {actor.episodes}, last 20: {rate}',
             'policy', f'version {actor.policy_version}'),
            ('history', ''.join(self.outcomes) or '-',
             'period', f'{actor.period_ms_p50:.0f} ms, p99 {actor.period_ms_p99:.0f}'),
            ('your share', f'{100 * actor.intervention_share:.0f} % in '
             f'{actor.interventions} take-overs',
             'image age', f'{actor.observation_age_ms:.0f} ms')]
        if learner is not None:
            rows.append(('learner', f'{learner.state.lower()}, {learner.updates} updates, '
                         f'{learner.update_ratio:.2f} a step',
                         'replay', f'{learner.replay_steps} steps, {learner.prior_steps} human'))
        rows.append(('arms', self._arms(), 'dropped', f'{actor.dropped_steps} steps'))
        for a, b, c, d in rows:
            grid.add_row(Text(a, style='dim'), b, Text(c, style='dim'), d)
        return Panel(grid, border_style='dim')

    def _arms(self) -> str:
        if not self.servos:
            return '-'
        hottest = max(self.servos, key=lambda s: float(self.servos[s].get('temperature_c', 0)))
        loaded = max(self.servos, key=lambda s: abs(float(self.servos[s].get('load', 0))))
        heat = float(self.servos[hottest].get('temperature_c', 0))
        load = abs(float(self.servos[loaded].get('load', 0)))
        return (f'{"HOT " if heat > WARM else ""}{heat:.0f} C at {hottest}, '
                f'load {100 * load:.0f} % at {loaded}')

    def _messages(self):
        text = Text()
        for style, line in self.lines:
            text.append(line[:160] + '\n', style=style)
        return Panel(text, title='last messages', border_style='dim')
