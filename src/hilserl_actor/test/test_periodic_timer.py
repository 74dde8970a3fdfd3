"""The loop's timer: absolute deadlines, a minimum period, garbage collection between ticks."""

import gc

import numpy as np
import pytest

from hilserl_actor.loop.periodic_timer import (
    LONGEST_PERIOD,
    PREPARE_TIME,
    SHORTEST_PERIOD,
    PeriodicTimer,
)

PERIOD = 0.02


class Clock:
    """A clock that advances with each sleep, and a little with each reading."""

    now = 100.0

    def monotonic(self):
        self.now += 1e-6
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr('hilserl_actor.loop.periodic_timer.time', clock)
    return clock


@pytest.fixture
def timer(clock):
    yield PeriodicTimer(PERIOD)
    gc.enable()
    gc.unfreeze()


def test_ticks_are_equally_spaced_whatever_the_work_between_them_takes(timer, clock):
    times = []
    for count in range(25):
        times.append(timer.wait())
        clock.sleep(PERIOD * (count % 4) / 5)
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)


def test_preparation_runs_before_the_tick_and_does_not_delay_it(timer, clock):
    prepared, times = [], []
    for count in range(12):
        times.append(timer.wait(lambda: (prepared.append(clock.now), clock.sleep(0.001))))
        clock.sleep(PERIOD * (count % 4) / 5)
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)
    assert np.array(times) - prepared == pytest.approx(PREPARE_TIME, abs=1e-4)
    clock.sleep(1.6 * PERIOD)  # no time left: it prepares at once
    late = clock.now
    assert (
        timer.wait(lambda: prepared.append(clock.now))
        >= prepared[-1]
        == pytest.approx(late, abs=1e-4)
    )


def test_a_late_loop_catches_up_with_a_minimum_period(timer, clock):
    start = timer.wait()
    clock.sleep(1.6 * PERIOD)
    times = [timer.wait() for _ in range(12)]
    assert np.diff(times).min() > SHORTEST_PERIOD * PERIOD - 1e-5
    assert times[-1] - start == pytest.approx(12 * PERIOD, abs=1e-4)


@pytest.mark.parametrize('cost', [0.05, 0.15, 0.25])
def test_an_observation_keeps_its_time_after_a_late_action(timer, clock, cost):
    times, acted, after = [], 0.0, []
    for count in range(50):
        times.append(timer.wait(acted=acted))
        after.append(times[-1] - acted)
        clock.sleep(PERIOD * (0.05 if count % 10 > 7 else cost))
        acted = clock.now
    assert min(after) > SHORTEST_PERIOD * PERIOD - 1e-5
    assert np.diff(times).max() == pytest.approx(
        PERIOD * max(1.0, SHORTEST_PERIOD + cost), abs=1e-4
    )


def test_actions_that_are_always_late_lengthen_the_period_up_to_its_limit(timer, clock):
    times, acted = [], 0.0
    for _ in range(100):
        times.append(timer.wait(acted=acted))
        clock.sleep(0.4 * PERIOD)
        acted = clock.now
    assert np.diff(times) == pytest.approx(LONGEST_PERIOD * PERIOD, abs=1e-4)
    rest = [timer.wait() for _ in range(30)]  # and then it goes back to its rate
    assert np.diff(rest)[-5:] == pytest.approx(PERIOD, abs=1e-4)


def test_whole_missed_periods_are_skipped(timer, clock):
    timer.wait()
    clock.sleep(5.5 * PERIOD)
    late = clock.now
    times = [timer.wait() for _ in range(4)]
    assert times[0] - late < 1e-4
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)


def test_garbage_is_collected_while_the_timer_waits(timer):
    class Cycle:
        alive = 0

        def __init__(self):
            self.me, Cycle.alive = self, Cycle.alive + 1

        def __del__(self):
            Cycle.alive -= 1

    timer.wait()
    assert not gc.isenabled()
    for _ in range(2000):
        Cycle()
    assert Cycle.alive == 2000
    timer.wait()
    assert Cycle.alive == 0
