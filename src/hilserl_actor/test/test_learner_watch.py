"""A learner that is gone is said, and so is what was done without it."""

import pytest

from hilserl_actor.bringup import restart_policy
from hilserl_actor.bringup.restart_policy import DELAYS, STEADY, UP, Restarts
from hilserl_actor.ros.learner_liveness import LearnerLiveness


def test_gone_and_back_are_said_with_the_steps_that_nobody_recorded():
    watch = LearnerLiveness()
    assert watch.sentence(100.0, 50) == ''  # a cell without one
    for second in range(5):
        watch.heard(float(second), 10 * second)
        assert watch.sentence(second + 0.9, 10 * second + 9) == ''
    assert 'the learner is gone; the last policy drives on' in watch.sentence(9.0, 90)
    assert 'up to 50 steps not recorded' in watch.sentence(9.0, 90)
    watch.heard(12.0, 120)
    assert watch.sentence(12.5, 125) == ('the learner is back; up to 80 steps were not recorded')
    for second in range(13, 30):
        watch.heard(float(second), 10 * second)
    assert watch.sentence(29.5, 295) == ''


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    it = Clock()
    monkeypatch.setattr(restart_policy, 'time', it)
    return it


def test_what_ended_in_order_or_refused_to_start_is_let_be(clock):
    part = Restarts()
    assert part.after(0) is None
    clock.now = UP - 1
    assert part.after(1) is None
    assert part.after(-9) == DELAYS[0]  # a kill is nobody's wrong argument


def test_deaths_in_a_row_are_limited_and_forgotten_after_a_steady_while(clock):
    part = Restarts()
    for delay in DELAYS:
        clock.now += UP + 20
        assert part.after(1) == delay
    clock.now += UP + 20
    assert part.after(1) is None
    clock.now += STEADY + 20
    assert part.after(-11) == DELAYS[0]
