"""Statistics of episodes and of the control loop's timing, for the status."""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import nan

import numpy as np

from hilserl_core.contract.steps import Outcome

from .episode import Episode

WINDOW = 20  # episodes
ENOUGH = 5  # episodes before the first hint; also successes in a row without help
MUCH_HELP, LITTLE_HELP = 0.7, 0.1  # human share of steps


@dataclass(frozen=True)
class EpisodeResult:
    """One finished episode."""

    episode_id: str
    outcome: str
    seconds: float
    steps: int
    human_steps: int
    saturated: float  # share of action components at +-1

    as_dict = asdict

    @property
    def alone(self) -> bool:
        """Whether the policy succeeded without a human step."""
        return self.outcome == 'success' and not self.human_steps


class EpisodeStats:
    """The finished episodes of this process, without discarded ones."""

    def __init__(self) -> None:
        self.results: list[EpisodeResult] = []
        self.interventions = 0

    def add(self, episode: Episode, outcome: Outcome, seconds: float) -> EpisodeResult | None:
        """Add an episode; return None if its outcome does not count."""
        if outcome in (Outcome.NONE, Outcome.DISCARDED):
            return None
        components = max(1, episode.steps * len(episode.schema.action_names))
        result = EpisodeResult(
            episode.id,
            outcome.name.lower(),
            seconds,
            episode.steps,
            episode.human_steps,
            episode.saturated / components,
        )
        self.results.append(result)
        return result

    def correct(self, episode_id: str, outcome: str) -> None:
        """Give an episode another outcome."""
        for number, result in enumerate(self.results):
            if result.episode_id == episode_id:
                self.results[number] = replace(result, outcome=outcome)

    def remove(self, episode_id: str) -> None:
        """Remove an episode from the statistics."""
        for number, result in enumerate(self.results):
            if result.episode_id == episode_id:
                del self.results[
                    number
                ]  # in one operation: the loop's thread may append meanwhile
                return

    @property
    def successes(self) -> int:
        """Finished episodes that succeeded."""
        return sum(r.outcome == 'success' for r in self.results)

    @property
    def alone(self) -> int:
        """Finished episodes that the policy succeeded in without a human step."""
        return sum(r.alone for r in self.results)

    def recent(self, value: Callable[[EpisodeResult], float]) -> float:
        """Mean of value(result) over the last WINDOW episodes; NaN before the first."""
        recent = [value(r) for r in self.results[-WINDOW:]]
        return sum(recent) / len(recent) if recent else nan

    @property
    def success_rate(self) -> float:
        """Share of successes of the policy alone, last WINDOW episodes."""
        return self.recent(lambda r: r.alone)

    @property
    def intervention_share(self) -> float:
        """Human steps over steps, last WINDOW episodes."""
        recent = self.results[-WINDOW:]
        return sum(r.human_steps for r in recent) / max(1, sum(r.steps for r in recent))

    @property
    def streak(self) -> int:
        """Successes in a row, up to the last episode, without a human step."""
        count = 0
        for result in reversed(self.results):
            if not result.alone:
                break
            count += 1
        return count

    @property
    def hint(self) -> str:
        """A hint for the operator of a training run, in one sentence; or ''."""
        if len(self.results) < ENOUGH:
            return ''
        if self.streak >= ENOUGH:
            return f'let it try: {self.streak} successes alone'
        if self.intervention_share > MUCH_HELP:
            return 'you drive most of the time: take over later and shorter'
        if self.intervention_share < LITTLE_HELP and self.success_rate < 0.5:
            return 'it fails and you hardly help: take over earlier, for a moment'
        return ''


class LoopTiming:
    """Periods of the last 600 ticks, and the numbers of all ticks and of missed ones."""

    def __init__(self, period: float):
        self.period = period
        self.ticks = self.missed = 0
        self._last: float | None = None
        self._periods: deque[float] = deque(maxlen=600)

    def tick(self, now: float) -> None:
        """Note a tick at monotonic time `now`, s."""
        self.ticks += 1
        if self._last is not None:
            self._periods.append(now - self._last)
            self.missed += max(0, round((now - self._last) / self.period) - 1)
        self._last = now

    def percentile_ms(self, share: float) -> float:
        """Period below which `share` per cent of the ticks lie, ms; NaN before the second."""
        return float(np.percentile(self._periods, share)) * 1e3 if self._periods else nan
