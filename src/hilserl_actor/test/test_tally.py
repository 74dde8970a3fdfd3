"""Shares, intervals and timing."""
from math import isnan

from hilserl_actor.tally import Pace, Tally, wilson
import pytest


def test_wilson_interval_against_published_values():
    # Brown, Cai, DasGupta 2001 give for 0 of n the interval (0, z^2 / (n + z^2)).
    assert wilson(0, 20) == pytest.approx((0.0, 1.96**2 / (20 + 1.96**2)))
    low, high = wilson(45, 50)
    assert (low, high) == pytest.approx((0.7864, 0.9565), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_late_tick_counts_as_missed_ones():
    pace = Pace(0.1)
    for now in (0.0, 0.1, 0.2, 0.5, 0.6):
        pace.tick(now)
    assert pace.missed == 2
    assert pace.percentile_ms(50) == pytest.approx(100.0)


def test_before_the_first_episode_the_success_rate_is_unknown_not_zero():
    assert isnan(Tally().success_rate)
    assert isnan(Pace(0.1).percentile_ms(99))
