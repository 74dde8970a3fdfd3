"""Steps of the wall clock, told from drift and from delays of this process."""

import pytest

from so101_node.wall_clock import SMALLEST, WallClock, clock_sentence


class Clocks:
    """A wall and a steady clock, in ns."""

    def __init__(self):
        self.now, self.offset, self.delays = 10**15, 10**18, []

    def wall(self):
        self.now += self.delays.pop() if self.delays else 0
        return self.now + self.offset

    def steady(self):
        return self.now


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def watch(clocks):
    return WallClock(clocks.wall, clocks.steady)


@pytest.mark.parametrize('step', [3600.0, -3600.0, 3.0, -3.0, 0.06, -0.06])
def test_a_step_is_reported_once(clocks, watch, step):
    clocks.now += 10**8
    clocks.offset += int(step * 1e9)
    assert watch.step() == pytest.approx(step, abs=1e-6)
    clocks.now += 10**8
    assert watch.step() == 0.0


def test_drift_of_any_total_is_no_step(clocks, watch):
    for _ in range(1000):
        clocks.now += 10**8
        clocks.offset += int(SMALLEST * 1e8)
        assert watch.step() == 0.0


def test_a_process_that_waits_between_the_two_clocks_reports_no_step(clocks, watch):
    clocks.delays = [0, 200_000_000]
    assert watch.step() == 0.0
    clocks.delays = [200_000_000] * 3
    assert watch.step() == 0.0
    clocks.delays = [200_000_000] * 3
    clocks.offset -= 3 * 10**9
    assert watch.step() == 0.0
    assert watch.step() == pytest.approx(-3.0)  # the next call that has time


def test_the_sentence_names_direction_and_size():
    assert clock_sentence(-3600.0) == 'the clock of this computer was set back by 3600.0 s'
    assert clock_sentence(3.0) == 'the clock of this computer was set forward by 3.0 s'
