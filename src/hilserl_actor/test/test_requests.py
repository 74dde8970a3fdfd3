"""Requests that are made while the loop sees nothing or does not run: they expire, and say so."""

from actor_support.simulated_bench import SimulatedBench
import pytest

MISSING = 'wrist_camera image is 250 ms old'


def miss(bench, seconds):
    for _ in range(round(seconds * 10)):
        bench.elapsed += 0.1
        bench.loop.tick_without_observations(MISSING)


@pytest.fixture
def paused():
    bench = SimulatedBench()
    bench.start()
    assert bench.loop.request('pause', 'test') == ''
    bench.tick()
    assert bench.mode == 'PAUSED'
    return bench


@pytest.mark.parametrize('missing', [0.1, 0.3, 5.0])
def test_resume_is_refused_with_the_reason_while_inputs_are_missing(paused, missing):
    miss(paused, missing)
    assert MISSING in paused.loop.request('resume', 'test')
    since = len(paused.commands)
    paused.tick(20)
    assert paused.mode == 'PAUSED' and len(paused.commands) == since
    assert paused.loop.request('resume', 'test') == ''
    paused.tick()
    assert paused.mode == 'RESET'


def test_the_status_no_longer_tells_what_was_missing_when_it_is_back(paused):
    miss(paused, 3.0)
    assert paused.loop.message == MISSING
    paused.tick()
    assert paused.loop.message == ''


@pytest.mark.parametrize('event', ['preflight', 'start', 'resume', 'intervene', 'release'])
def test_nothing_that_moves_the_arm_is_accepted_blind(event):
    bench = SimulatedBench()
    bench.tick()
    miss(bench, 0.1)
    assert bench.loop.request(event, 'test')
    bench.tick(15)
    assert bench.mode == 'IDLE' and not bench.commands


def test_a_request_that_is_not_served_in_time_expires_and_the_status_says_so(paused):
    assert paused.loop.request('resume', 'test') == ''
    since = len(paused.commands)
    miss(paused, 0.7)
    assert 'go on (p) expired: not served within 0.5 s; ask again' in paused.loop.message
    paused.tick(20)
    assert paused.mode == 'PAUSED' and len(paused.commands) == since
    assert any('go on (p) expired' in line for line in paused.log)


def test_a_request_expires_while_the_loop_does_not_run(paused):
    assert paused.loop.request('resume', 'test') == ''
    paused.elapsed += 3.0
    paused.tick(3)
    assert paused.mode == 'PAUSED'
    assert 'go on (p) expired: not served' in paused.loop.message


def test_no_request_to_move_is_accepted_while_the_loop_does_not_run_or_just_after(paused):
    paused.elapsed += 3.0
    assert 'the control loop has not run for 3.' in paused.loop.request('resume', 'test')
    paused.tick()
    assert 'recovered less than 1 s ago' in paused.loop.request('resume', 'test')
    paused.tick(12)
    assert paused.loop.request('resume', 'test') == ''


def test_a_mark_waits_for_one_late_observation():
    bench = SimulatedBench()
    bench.start()
    bench.tick(3)
    miss(bench, 0.2)
    assert bench.loop.request('success', 'test') == ''
    bench.tick()  # the step before was dropped: the mark waits for one that can have the reward
    assert bench.mode == 'POLICY'
    bench.tick()
    assert bench.mode == 'RESET' and bench.loop.stats.successes == 1


def test_a_pause_and_a_stop_are_served_blind():
    for event, mode in (('pause', 'PAUSED'), ('estop', 'ESTOP')):
        bench = SimulatedBench()
        bench.start()
        bench.tick(3)
        miss(bench, 0.2)
        assert bench.loop.request(event, 'test') == ''
        miss(bench, 0.1)
        assert bench.mode == mode and bench.loop.episode is None
        bench.tick(20)
        assert bench.mode == mode


def test_a_stop_never_expires():
    bench = SimulatedBench()
    bench.start()
    assert bench.loop.request('estop', 'test') == ''
    bench.elapsed += 60.0
    bench.tick()
    assert bench.mode == 'ESTOP'
