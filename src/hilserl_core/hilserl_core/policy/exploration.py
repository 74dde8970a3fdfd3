"""Exploration noise over the steps of a run.

Schedules count steps of a task at `REFERENCE_RATE`: `linear.at` makes them last the same seconds
at another rate.

The start mode sets it, because no single default fits all modes. With noise of 1.0 a trained
policy succeeds in 1 of 10 attempts, and `linear(1.0,0.1,50000)` is still 0.98 after 1,000 steps.
"""

from dataclasses import dataclass
import re

from so101_node.errors import CellError
from so101_node.options import Options, option

REFERENCE_RATE = 10.0  # Hz; numbers for each step are those of a task at this rate
PRESETS = {
    # without prior knowledge: explore widely, and finish within about 15 minutes
    'scratch': 'linear(1.0,0.1,10000)',
    # the prior data in each batch guide the policy; the human explores where it is wrong
    'demos': 'linear(0.1,0.05,10000)',
    # 0.2 costs a trained policy 5 % of its successes; more noise would hide its skill
    'pretrained': 'linear(0.2,0.1,10000)',
}
HIGH_SIGMA = 0.3
REASONS = {
    'scratch': 'without prior knowledge the policy must explore widely',
    'demos': 'the demonstrations in each batch guide the policy',
    'pretrained': 'more noise would hide the skill of the policy',
}
_NUMBER = r'\s*([0-9.eE+-]+)\s*'
_LINEAR = re.compile(rf'linear\({_NUMBER},{_NUMBER},{_NUMBER}\)')


@dataclass(frozen=True)
class linear:
    """Changes linearly from `start` to `end` over `steps`, then stays at `end`."""

    start: float
    end: float
    steps: float

    def __call__(self, env_steps: int) -> float:
        """Value after that many steps."""
        fraction = min(max(env_steps / self.steps, 0.0), 1.0)
        return self.start + (self.end - self.start) * fraction

    def at(self, rate: float) -> 'linear':
        """Return the schedule over the steps of a task at this rate (Hz)."""
        return linear(self.start, self.end, self.steps * rate / REFERENCE_RATE)

    def __str__(self) -> str:
        return f'linear({self.start:g},{self.end:g},{self.steps:g})'


def schedule(name: str, text: str, low: float, high: float) -> linear:
    """Parse `linear(a,b,n)` or a number; CellError if it is neither, or not in [low, high]."""
    match = _LINEAR.fullmatch(text.strip())
    try:
        found = (
            linear(*map(float, match.groups())) if match else linear(float(text), float(text), 1.0)
        )
    except ValueError:
        found = None
    if found is None or not (
        found.steps > 0 and low <= found.start <= high and low <= found.end <= high
    ):
        raise CellError(
            f'{name} {text!r} is neither a number from {low:g} to {high:g} nor '
            'linear(from,to,steps) with such numbers and positive steps'
        )
    return found


def sigma_schedule(start: str, text: str = '') -> linear:
    """The sigma of `text`, `linear(a,b,n)` or a number; if it is empty, of the start mode."""
    if start not in PRESETS:
        raise CellError(f'start is {start!r}; it is one of ' + ', '.join(PRESETS))
    return schedule('sigma', text.strip() or PRESETS[start], 0.0, 2.0)


def refuse_high_sigma(start: str, sigma: linear, allowed: bool) -> None:
    """CellError if this noise is too high for a pretrained policy, unless it is `allowed`."""
    if start == 'pretrained' and max(sigma.start, sigma.end) > HIGH_SIGMA and not allowed:
        raise CellError(
            f'sigma {sigma} goes above {HIGH_SIGMA:g}, which hides the skill of a pretrained '
            'policy: at 1.0 a policy that succeeds in 98 of 100 attempts succeeds in 10; choose a '
            'smaller sigma, or set allow_high_sigma:=true'
        )


@dataclass(frozen=True)
class ExplorationOptions(Options):
    """The options of the exploration noise, the same in actor and learner."""

    start: str = option(
        'auto',
        'what the run starts from, which sets the exploration noise; auto: pretrained or demos if '
        'they are given, else scratch; ./cell train in the simulated cell with the scripted '
        'operator records demonstrations first',
        choices=('auto', *PRESETS),
        verbs=('train',),
    )
    sigma: str = option(
        '',
        "exploration noise instead of start's: linear(from,to,steps), with steps of 0.1 s, or a "
        'number',
        verbs=('train',),
    )
    allow_high_sigma: bool = option(
        False,
        f'allow noise above {HIGH_SIGMA:g}, which hides the skill of a pretrained policy',
        verbs=('train',),
    )

    @property
    def start_mode(self) -> str:
        """`start`, with scratch for auto."""
        return 'scratch' if self.start == 'auto' else self.start

    def schedule(self) -> linear:
        """Sigma over steps at `REFERENCE_RATE`. CellError if it is too high for the start mode."""
        found = sigma_schedule(self.start_mode, self.sigma)
        refuse_high_sigma(self.start_mode, found, self.allow_high_sigma)
        return found

    def check(self) -> None:
        """CellError for noise that is not valid or too high."""
        super().check()
        self.schedule()
