"""How good a detector is, counted per episode: rewards that are right, wrong, missing or late.

The share of right frames says little: where 9 % of the frames show success, "never" is right in
91 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.success_interval import wilson

from .calibration import area_under_roc, calibration_error
from .debounce import Rule
from .defaults import MARGIN
from .labelled import POSITIVE, UNLABELLED, LabelledEpisode

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
EARLY, RIGHT, WRONG, MISSED, NONE = 'early', 'right', 'wrong', 'missed', 'none'
# Below these a detector is not to be used: its labels do not fit its images, or are too few.
LEAST_AREA, LEAST_RECALL, MOST_FALSE = 0.95, 0.8, 10.0
MOST_UNSURE = 0.2  # share of frames
LATEST = 0.6  # s after the labelled moment, median


@dataclass(frozen=True, eq=False)
class Trace:
    """The judgements of one episode, N frames. allowed: it is sure, and its gate is open."""

    episode: LabelledEpisode
    probability: Floats  # (N,)
    sure: Bools  # (N,)
    allowed: Bools  # (N,)


@dataclass(frozen=True)
class EpisodeVerdict:
    """What a detector did in one episode. Frames count from 0; None: there is none."""

    name: str
    succeeded: bool
    moment: int | None
    rewarded: int | None
    verdict: str  # right, early, missed (successes); wrong, none (failures)
    highest: float  # probability
    unsure: float  # share of frames

    @property
    def delay(self) -> int | None:
        """Steps from the labelled moment to the reward."""
        if self.verdict != RIGHT or self.moment is None or self.rewarded is None:
            return None
        return self.rewarded - self.moment


@dataclass(frozen=True)
class Report:
    """Figures of a detector on episodes that it has not seen."""

    episodes: list[EpisodeVerdict]
    hours: float  # length of the episodes
    area: float  # under the ROC curve of the frames; NaN without frames of both kinds
    calibration_error: float
    rate: float  # Hz

    def _count(self, *verdicts: str) -> int:
        return sum(each.verdict in verdicts for each in self.episodes)

    @property
    def successes(self) -> int:
        """Number of successes."""
        return sum(each.succeeded for each in self.episodes)

    @property
    def right(self) -> int:
        """Successes that were rewarded, not too early."""
        return self._count(RIGHT)

    @property
    def false(self) -> int:
        """Rewards of failures, and rewards long before the success."""
        return self._count(WRONG, EARLY)

    @property
    def precision(self) -> float:
        """Share of the rewards that are right; NaN without a reward."""
        return self.right / (self.right + self.false) if self.right + self.false else float('nan')

    @property
    def recall(self) -> float:
        """Share of the successes that are rewarded; NaN without a success."""
        return self.right / self.successes if self.successes else float('nan')

    @property
    def false_per_100(self) -> float:
        """False rewards in 100 episodes."""
        return 100.0 * self.false / max(len(self.episodes), 1)

    @property
    def false_per_hour(self) -> float:
        """False rewards in an hour of episodes."""
        return self.false / self.hours if self.hours else 0.0

    @property
    def unsure(self) -> float:
        """Share of unfamiliar frames, mean of the episodes."""
        return float(np.mean([each.unsure for each in self.episodes] or [0.0]))

    def delay(self, percent: float) -> float:
        """Return a percentile of the delay, steps; NaN without a right reward."""
        delays = [each.delay for each in self.episodes if each.delay is not None]
        return float(np.percentile(delays, percent)) if delays else float('nan')

    def sentences(self) -> list[str]:
        """Return the figures in sentences."""
        low, high = wilson(self.right, self.successes)
        return [
            f'{self.right} of {self.successes} successes are rewarded: recall {self.recall:.3f} '
            f'({low:.2f} to {high:.2f}), precision {self.precision:.3f}',
            f'{self.false} false rewards in {len(self.episodes)} episodes: '
            f'{self.false_per_100:.1f} in 100 episodes, {self.false_per_hour:.1f} an hour',
            f'delay {self.delay(50):+.0f} steps (p90 {self.delay(90):+.0f}) after the labelled '
            f'moment; area under the ROC curve of the frames {self.area:.3f}; calibration error '
            f'{self.calibration_error:.3f}',
            f'{self.unsure:.1%} of the frames are unlike those of the training: not sure, so no '
            'reward',
        ]

    def problems(self) -> list[str]:
        """Return why this detector must not give rewards; empty: it may."""
        found = []
        if not self.area >= LEAST_AREA:
            found.append(
                f'the images do not show what the labels say: area under the ROC curve '
                f'{self.area:.2f} on episodes that it has not seen (0.5: chance; at least '
                f'{LEAST_AREA} is needed); are labels shifted, swapped, or of other episodes?'
            )
        if not self.recall >= LEAST_RECALL:
            found.append(
                f'it rewards {self.recall:.0%} of the successes, at least {LEAST_RECALL:.0%} are '
                'needed; label more episodes, or check their moments'
            )
        if self.false_per_100 > MOST_FALSE:
            found.append(
                f'it gives {self.false_per_100:.0f} false rewards in 100 episodes, at most '
                f'{MOST_FALSE:.0f} are allowed; check the labels, and record negatives that look '
                'like these: ' + ', '.join(self._named(WRONG, EARLY)[:3])
            )
        if self.delay(50) / self.rate > LATEST:
            found.append(
                f'it sees success {self.delay(50) / self.rate:.1f} s after the labelled moment '
                f'(median; at most {LATEST} s): the labels are too early'
            )
        if self.unsure > MOST_UNSURE:
            found.append(
                f'{self.unsure:.0%} of the frames are unlike its training, at most '
                f'{MOST_UNSURE:.0%} are allowed; train it on episodes of this bench and light'
            )
        return found

    def _named(self, *verdicts: str) -> list[str]:
        return [each.name for each in self.episodes if each.verdict in verdicts]

    def as_data(self) -> dict[str, Any]:
        """Return the figures and every episode for a JSON file; what is not a number is null."""
        figures: dict[str, Any] = {
            'test_episodes': len(self.episodes),
            'successes': self.successes,
            'precision': self.precision,
            'recall': self.recall,
            'false_positives': self.false,
            'false_positives_per_100_episodes': self.false_per_100,
            'false_positives_per_hour': self.false_per_hour,
            'delay_steps_p50': self.delay(50),
            'delay_steps_p90': self.delay(90),
            'area_under_roc': self.area,
            'calibration_error': self.calibration_error,
            'unsure_share': self.unsure,
        }
        plain = {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in figures.items()
        }
        return plain | {'episodes': [vars(each) for each in self.episodes]}


def verdict_of(
    trace: Trace, threshold: float, rule: Rule, margin: float = MARGIN
) -> EpisodeVerdict:
    """Return what a detector with this threshold did in an episode.

    margin: s before the labelled moment from which a reward is not early.
    """
    episode = trace.episode
    rewarded = rule.first((trace.probability >= threshold) & trace.allowed)
    if episode.moment is None:
        verdict = NONE if rewarded is None else WRONG
    elif rewarded is None:
        verdict = MISSED
    else:
        early = rewarded < episode.moment - round(margin * episode.rate)
        verdict = EARLY if early else RIGHT
    return EpisodeVerdict(
        episode.name,
        episode.succeeded,
        episode.moment,
        rewarded,
        verdict,
        float(trace.probability.max()),
        float(1.0 - trace.sure.mean()),
    )


def report_on(
    traces: Sequence[Trace], threshold: float, rule: Rule, margin: float = MARGIN
) -> Report:
    """Return the figures of a detector with this threshold."""
    labels = np.concatenate([trace.episode.labels for trace in traces])
    probability = np.concatenate([trace.probability for trace in traces])
    known = labels != UNLABELLED
    positive, probability = labels[known] == POSITIVE, probability[known]
    return Report(
        [verdict_of(trace, threshold, rule, margin) for trace in traces],
        sum(len(trace.episode) / trace.episode.rate for trace in traces) / 3600.0,
        area_under_roc(probability, positive),
        calibration_error(probability, positive),
        traces[0].episode.rate,
    )


UPPER = 0.75  # place in the stretch of equally good thresholds
THRESHOLDS = 1.0 / (1.0 + np.exp(-np.linspace(-8.0, 8.0, 65)))  # even in the logit


def curve(traces: Sequence[Trace], rule: Rule, margin: float = MARGIN) -> Floats:
    """Return recall and false rewards in 100 episodes at each of THRESHOLDS, (65, 2)."""
    rows = []
    for threshold in THRESHOLDS:
        found = [verdict_of(trace, float(threshold), rule, margin).verdict for trace in traces]
        right, false = found.count(RIGHT), found.count(WRONG) + found.count(EARLY)
        successes = sum(trace.episode.succeeded for trace in traces)
        rows.append((right / max(successes, 1), 100.0 * false / max(len(found), 1)))
    return np.array(rows)


def best_threshold(points: Floats) -> float:
    """Return the threshold that is best for these points of a curve.

    A false reward costs twice as much as a missed one. Where several are equally good, it is one
    in the upper part of the longest stretch of them: a success goes on and has more frames to be
    seen in, and a false reward cannot be taken back by the next frame.
    """
    cost = 2.0 * points[:, 1] / 100.0 + (1.0 - points[:, 0])
    best = np.flatnonzero(cost <= cost.min() + 1e-9)
    stretches = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(stretches, key=len)
    return float(THRESHOLDS[longest[int(UPPER * (len(longest) - 1))]])
