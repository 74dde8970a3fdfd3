"""The beat: absolute, never hurried, garbage collected between the ticks."""
import gc
import time

from hilserl_actor.ticker import SOONEST, Ticker
import numpy as np
import pytest

PERIOD = 0.02


@pytest.fixture
def ticker():
    yield Ticker(PERIOD)
    gc.enable()
    gc.unfreeze()


def test_ticks_stand_on_a_grid_whatever_the_work_between_them_takes(ticker):
    times = []
    for count in range(25):
        times.append(ticker.wait())
        time.sleep(PERIOD * (count % 4) / 5)
    off = np.array(times) - times[0] - PERIOD * np.arange(25)
    assert np.median(np.abs(off)) < 0.001


def test_a_late_loop_catches_up_without_hurrying(ticker):
    start = ticker.wait()
    time.sleep(1.6 * PERIOD)
    times = [ticker.wait() for _ in range(12)]
    assert np.diff(times).min() > SOONEST * PERIOD - 0.0005
    grid = (times[-1] - start) / PERIOD
    assert grid == pytest.approx(round(grid), abs=0.1)      # caught up by then


def test_whole_periods_that_were_missed_are_lost(ticker):
    ticker.wait()
    time.sleep(5.5 * PERIOD)
    times = [ticker.wait() for _ in range(4)]
    assert np.diff(times).min() > SOONEST * PERIOD - 0.0005


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
