"""The status reports a dead learner and the steps it missed; dead nodes are started again."""

import pytest

from hilserl_actor.bringup import restart_policy
from hilserl_actor.bringup.restart_policy import DELAYS, STARTUP_TIME, STEADY_TIME, RestartPolicy
from hilserl_actor.ros.learner_liveness import LearnerLiveness


def test_a_learner_that_is_gone_or_back_is_reported_with_the_steps_not_recorded():
    liveness = LearnerLiveness()
    assert liveness.sentence(100.0, 50) == ''  # no learner in this cell
    for second in range(5):
        liveness.received(float(second), 10 * second)
        assert liveness.sentence(second + 0.9, 10 * second + 9) == ''
    assert 'the learner is gone; the last policy drives on' in liveness.sentence(9.0, 90)
    assert 'up to 50 steps not recorded' in liveness.sentence(9.0, 90)
    liveness.received(12.0, 120)
    assert liveness.sentence(12.5, 125) == (
        'the learner is back; up to 80 steps were not recorded'
    )
    for second in range(13, 30):
        liveness.received(float(second), 10 * second)
    assert liveness.sentence(29.5, 295) == ''


def test_behind_a_link_that_keeps_all_steps_the_link_says_what_is_wrong():
    liveness = LearnerLiveness()
    liveness.received(0.0, 0)
    liveness.link_received(9.0, 'no connection; 40 steps wait on disk')
    assert liveness.sentence(9.5, 90) == 'no connection; 40 steps wait on disk'
    liveness.link_received(10.0, '')
    assert liveness.sentence(10.5, 100) == ''
    # the link's node is gone, too: nobody stores the steps
    assert 'the learner is gone' in liveness.sentence(20.0, 200)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    it = Clock()
    monkeypatch.setattr(restart_policy, 'time', it)
    return it


def test_a_node_that_ended_with_0_or_failed_at_its_start_is_not_started_again(clock):
    policy = RestartPolicy()
    assert policy.delay_after(0) is None
    clock.now = STARTUP_TIME - 1
    assert policy.delay_after(1) is None
    assert policy.delay_after(-9) == DELAYS[0]  # a signal is no error of the person


def test_restarts_in_a_row_are_limited_and_earlier_deaths_expire(clock):
    policy = RestartPolicy()
    for delay in DELAYS:
        clock.now += STARTUP_TIME + 20
        assert policy.delay_after(1) == delay
    clock.now += STARTUP_TIME + 20
    assert policy.delay_after(1) is None
    clock.now += STEADY_TIME + 20
    assert policy.delay_after(-11) == DELAYS[0]
