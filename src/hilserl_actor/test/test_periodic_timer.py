"""The beat: absolute, never hurried, garbage collected between the ticks."""

import gc

import numpy as np
import pytest

from hilserl_actor.loop.periodic_timer import AHEAD, LATEST, SOONEST, PeriodicTimer

PERIOD = 0.02


class Clock:
    """Time that passes by sleeping, and a little by looking at it."""

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
def ticker(clock):
    yield PeriodicTimer(PERIOD)
    gc.enable()
    gc.unfreeze()


def test_ticks_stand_on_a_grid_whatever_the_work_between_them_takes(ticker, clock):
    times = []
    for count in range(25):
        times.append(ticker.wait())
        clock.sleep(PERIOD * (count % 4) / 5)
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)


def test_what_a_tick_needs_is_asked_for_ahead_of_it_and_does_not_move_it(ticker, clock):
    asked, times = [], []
    for count in range(12):
        times.append(ticker.wait(lambda: (asked.append(clock.now), clock.sleep(0.001))))
        clock.sleep(PERIOD * (count % 4) / 5)
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)
    assert np.array(times) - asked == pytest.approx(AHEAD, abs=1e-4)
    clock.sleep(1.6 * PERIOD)  # no time left: asked at once
    late = clock.now
    assert (
        ticker.wait(lambda: asked.append(clock.now)) >= asked[-1] == pytest.approx(late, abs=1e-4)
    )


def test_a_late_loop_catches_up_without_hurrying(ticker, clock):
    start = ticker.wait()
    clock.sleep(1.6 * PERIOD)
    times = [ticker.wait() for _ in range(12)]
    assert np.diff(times).min() > SOONEST * PERIOD - 1e-5
    assert times[-1] - start == pytest.approx(12 * PERIOD, abs=1e-4)


@pytest.mark.parametrize('cost', [0.05, 0.15, 0.25])
def test_an_observation_follows_an_action_by_its_time_however_late_that_went_out(
    ticker, clock, cost
):
    times, acted, after = [], 0.0, []
    for count in range(50):
        times.append(ticker.wait(acted=acted))
        after.append(times[-1] - acted)
        clock.sleep(PERIOD * (0.05 if count % 10 > 7 else cost))
        acted = clock.now
    assert min(after) > SOONEST * PERIOD - 1e-5
    assert np.diff(times).max() == pytest.approx(PERIOD * max(1.0, SOONEST + cost), abs=1e-4)


def test_actions_that_always_take_long_slow_the_beat_by_so_much_and_no_more(ticker, clock):
    times, acted = [], 0.0
    for _ in range(100):
        times.append(ticker.wait(acted=acted))
        clock.sleep(0.4 * PERIOD)
        acted = clock.now
    assert np.diff(times) == pytest.approx(LATEST * PERIOD, abs=1e-4)
    rest = [ticker.wait() for _ in range(30)]  # and then it goes back to its rate
    assert np.diff(rest)[-5:] == pytest.approx(PERIOD, abs=1e-4)


def test_whole_periods_that_were_missed_are_lost(ticker, clock):
    ticker.wait()
    clock.sleep(5.5 * PERIOD)
    late = clock.now
    times = [ticker.wait() for _ in range(4)]
    assert times[0] - late < 1e-4
    assert np.diff(times) == pytest.approx(PERIOD, abs=1e-5)


def test_garbage_is_collected_while_it_waits(ticker):
    class Cycle:
        alive = 0

        def __init__(self):
            self.me, Cycle.alive = self, Cycle.alive + 1

        def __del__(self):
            Cycle.alive -= 1

    ticker.wait()
    assert not gc.isenabled()
    for _ in range(2000):
        Cycle()
    assert Cycle.alive == 2000
    ticker.wait()
    assert Cycle.alive == 0
