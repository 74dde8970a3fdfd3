"""Shares, intervals and timing."""

from math import isnan

import numpy as np
import pytest

from hilserl_actor.loop.episode_stats import EpisodeResult, EpisodeStats, LoopTiming
from hilserl_core.contract.success_interval import wilson


def test_wilson_interval_against_published_values():
    # Brown, Cai, DasGupta 2001 give for 0 of n the interval (0, z^2 / (n + z^2)).
    assert wilson(0, 20) == pytest.approx((0.0, 1.96**2 / (20 + 1.96**2)))
    low, high = wilson(45, 50)
    assert (low, high) == pytest.approx((0.7864, 0.9565), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_interval_contains_the_rate_despite_rounding():
    trials, successes = np.array([(n, k) for n in range(1, 301) for k in range(n + 1)]).T
    low, high = wilson(successes, trials)
    rate = successes / trials
    assert (low >= 0).all() and (low <= rate).all() and (rate <= high).all() and (high <= 1).all()
    assert wilson(100, 100)[1] == 1.0
    assert wilson(7, 20) == (
        low[(trials == 20) & (successes == 7)],
        high[(trials == 20) & (successes == 7)],
    )


def test_a_late_tick_counts_the_missed_ones():
    timing = LoopTiming(0.1)
    for now in (0.0, 0.1, 0.2, 0.5, 0.6):
        timing.tick(now)
    assert timing.missed == 2
    assert timing.percentile_ms(50) == pytest.approx(100.0)


def test_before_the_first_episode_the_success_rate_is_unknown_not_zero():
    assert isnan(EpisodeStats().success_rate)
    assert isnan(LoopTiming(0.1).percentile_ms(99))


def test_the_success_rate_is_of_the_policy_alone():
    found = stats(('success', 0), ('success', 3), ('timeout', 0), ('success', 0))
    assert found.successes == 3 and found.alone == 2 and found.success_rate == 0.5


def stats(*episodes):
    """Of (outcome, human steps of 10)."""
    result = EpisodeStats()
    result.results = [
        EpisodeResult(str(i), outcome, 1.0, 10, human, 0.0)
        for i, (outcome, human) in enumerate(episodes)
    ]
    return result


ALONE, HELPED, FAILED = ('success', 0), ('success', 8), ('failure', 0)


@pytest.mark.parametrize(
    'episodes, streak',
    [
        ([], 0),
        ([ALONE, ALONE], 2),
        ([ALONE, HELPED], 0),
        ([FAILED, ALONE], 1),
        ([ALONE, ('timeout', 0)], 0),
    ],
)
def test_a_streak_counts_successes_without_help(episodes, streak):
    assert stats(*episodes).streak == streak


@pytest.mark.parametrize(
    'episodes, words',
    [
        ([ALONE] * 4, ''),
        ([ALONE] * 5, 'let it try: 5 successes alone'),
        ([HELPED] * 5, 'shorter'),
        ([FAILED] * 5, 'take over earlier'),
        ([ALONE, FAILED] * 5, ''),
        ([('success', 5), ('failure', 5)] * 5, ''),
    ],
)
def test_the_hint_follows_streak_share_and_success(episodes, words):
    hint = stats(*episodes).hint
    assert words in hint and bool(words) == bool(hint)
