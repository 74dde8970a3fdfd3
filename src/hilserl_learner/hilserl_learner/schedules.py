"""Exploration noise over the steps of a run.

The start mode sets it, because one default hides the rest: noise of 1.0 makes a trained policy
succeed in 1 of 10 attempts, and `linear(1.0,0.1,50000)` is still 0.98 after 1,000 steps.
"""
from dataclasses import dataclass
import re

from so101_description.errors import CellError

PRESETS = {
    # nothing is known: try everything, and be done with it within the first quarter of an hour
    'scratch': 'linear(1.0,0.1,10000)',
    # the prior half of each batch shows the way; the human explores where it is wrong
    'demos': 'linear(0.1,0.05,10000)',
    # 0.2 costs a trained policy 5 % of its successes; more would hide it
    'pretrained': 'linear(0.2,0.1,10000)',
}
_NUMBER = r'\s*([0-9.eE+-]+)\s*'
_LINEAR = re.compile(rf'linear\({_NUMBER},{_NUMBER},{_NUMBER}\)')


@dataclass(frozen=True)
class linear:
    """From `start` to `end` over `steps`, then `end`."""

    start: float
    end: float
    steps: float

    def __call__(self, env_steps: int) -> float:
        """Value after that many steps."""
        fraction = min(max(env_steps / self.steps, 0.0), 1.0)
        return self.start + (self.end - self.start) * fraction

    def __str__(self) -> str:
        return f'linear({self.start:g},{self.end:g},{self.steps:g})'


def sigma_schedule(start: str, text: str = '') -> linear:
    """Sigma of a start mode, or the one written in `text`: `linear(a,b,n)` or a number."""
    if start not in PRESETS:
        raise CellError(f'start is {start!r}; it is one of ' + ', '.join(PRESETS))
    text = text.strip() or PRESETS[start]
    match = _LINEAR.fullmatch(text)
    try:
        schedule = linear(*map(float, match.groups())) if match else linear(
            float(text), float(text), 1.0)
    except ValueError:
        schedule = None
    if schedule is None or not (
            schedule.steps > 0 and 0 <= schedule.start <= 2 and 0 <= schedule.end <= 2):
        raise CellError(
            f'sigma {text!r} is neither a number from 0 to 2 nor linear(from,to,steps) with such '
            'numbers and positive steps')
    return schedule
