"""An emergency stop in the loop outranks everything, and the driver's stop goes with it."""

from actor_support.simulated_bench import SimulatedBench
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from hilserl_actor.loop.driver_link import DriverState

REQUESTS = ('success', 'failure', 'discard', 'pause', 'resume', 'start', 'intervene', 'release')


@pytest.mark.slow
@settings(deadline=None)  # the first example builds a policy
@given(
    before=st.lists(st.sampled_from(REQUESTS), max_size=4),
    after=st.lists(st.sampled_from((*REQUESTS, 'estop', 'estop_reset', 'preflight')), max_size=4),
    mode=st.sampled_from(('IDLE', 'RESET', 'READY', 'POLICY', 'HUMAN', 'PAUSED')),
    blind=st.booleans(),
    success=st.booleans(),
)
def test_a_stop_among_any_requests_of_a_tick_ends_in_estop_without_a_command(
    before, after, mode, blind, success
):
    bench = SimulatedBench()
    bring_to(bench, mode)
    for event in before:
        bench.loop.request(event, 'test')
    assert bench.loop.request('estop', 'test') == ''
    sent, torque = len(bench.commands), dict(bench.torque)
    for event in after:
        bench.loop.request(event, 'test')
    if blind:
        bench.loop.tick_without_observations('no image')
    else:
        bench.tick(success=success)
    assert bench.mode == 'ESTOP'
    bench.tick(5)
    assert bench.mode == 'ESTOP' and len(bench.commands) == sent and bench.torque == torque
    assert bench.driver_stops >= 1


def bring_to(bench, mode):
    if mode == 'IDLE':
        bench.tick()
    elif mode == 'RESET':
        bench.loop.request('preflight', 'test')
        bench.tick(2)
    elif mode in ('POLICY', 'HUMAN', 'PAUSED'):
        bench.start()
        bench.tick(2)
        if mode == 'HUMAN':
            bench.loop.request('intervene', 'test')
        if mode == 'PAUSED':
            bench.loop.request('pause', 'test')
        bench.tick()
    else:
        bench.ready()
    assert bench.mode == mode


def test_a_stop_during_a_tick_lets_no_command_of_this_tick_through():
    bench = SimulatedBench()
    bench.start()
    joint_target = bench.joint_target

    def stop_while_it_computes(*args):
        bench.loop.request('estop', 'test')
        return joint_target(*args)

    bench.joint_target = stop_while_it_computes
    sent = len(bench.commands)
    bench.tick()
    assert len(bench.commands) == sent
    bench.tick()
    assert bench.mode == 'ESTOP' and len(bench.commands) == sent


def test_a_stop_in_idle_switches_no_torque_on():
    bench = SimulatedBench()
    bench.tick()
    bench.loop.request('estop', 'test')
    bench.tick(3)
    assert bench.mode == 'ESTOP' and bench.torque == {'follower': False, 'leader': False}


def test_after_a_stop_the_first_torque_is_that_of_the_reset():
    bench = SimulatedBench()
    bench.start()
    bench.loop.request('estop', 'test')
    bench.tick()
    bench.torque['follower'] = False  # somebody released the arm
    assert bench.loop.request('estop_reset', 'test') == ''
    bench.tick(2)
    assert bench.mode == 'IDLE' and not bench.torque['follower']
    bench.loop.request('preflight', 'test')
    bench.tick(2)
    assert bench.torque['follower']
    bench.tick(100)
    assert bench.mode == 'READY'


# -- the driver's stop and its command -------------------------------------------------------


def driver(bench, stop='', session='a', commander=('', '')):
    bench.loop.driver.note(DriverState(session, stop, *commander), bench.loop._clock())


def test_a_stop_of_the_driver_is_a_stop_here_and_must_end_there_first():
    bench = SimulatedBench()
    bench.start()
    driver(bench, 'topic driver/stop')
    bench.tick()
    assert bench.mode == 'ESTOP' and 'topic driver/stop' in bench.loop.message
    assert 'driver/stop_reset' in bench.loop.request('estop_reset', 'test')
    driver(bench)
    bench.tick()
    assert bench.mode == 'ESTOP'
    assert bench.loop.request('estop_reset', 'test') == ''
    bench.tick()
    assert bench.mode == 'IDLE'


def test_a_stop_is_repeated_until_the_driver_has_it_and_for_a_restarted_driver():
    bench = SimulatedBench()
    bench.start()
    driver(bench)
    bench.loop.request('estop', 'test')
    bench.tick(2)
    asked = bench.driver_stops
    assert asked == 2  # at the request, and since the driver has no stop yet
    driver(bench, 'test')
    bench.tick(3)
    assert bench.driver_stops == asked
    driver(bench)  # an operator ended it there
    bench.tick(3)
    assert bench.driver_stops == asked and bench.mode == 'ESTOP'
    bench.loop.driver._stop_due = 0.0
    driver(bench, session='b')
    bench.tick()
    assert bench.driver_stops == asked + 1


def test_the_command_is_taken_in_idle_and_again_in_reset_but_not_in_an_episode():
    bench = SimulatedBench()
    driver(bench)
    bench.tick()
    assert bench.takes == 1
    assert 'not given the command' in bench.loop.driver.command_problem(bench.loop._clock())
    driver(bench, commander=('/slider', ''))
    assert '/slider has the command' in bench.loop.driver.command_problem(bench.loop._clock())
    driver(bench, commander=bench.identity)
    assert bench.loop.driver.command_problem(bench.loop._clock()) == ''
    bench.start()
    bench.loop.driver._command_due = 0.0
    driver(bench)
    bench.tick()
    assert bench.mode == 'POLICY' and bench.takes == 1


def test_a_restarted_actor_asks_although_the_driver_names_its_run():
    bench = SimulatedBench()
    driver(bench, commander=bench.identity)  # of the actor before
    assert bench.loop.driver.command_problem(bench.loop._clock())
    bench.tick()
    assert bench.takes == 1 and not bench.loop.driver.command_problem(bench.loop._clock())
    bench.loop.driver._command_due = 0.0
    state = DriverState('a', '', *bench.identity, refused=10)
    bench.loop.driver.note(state, bench.loop._clock())
    bench.tick()
    assert bench.takes == 2


def test_a_stop_in_estop_removes_the_request_to_end_it():
    bench = SimulatedBench()
    bring_to(bench, 'IDLE')
    bench.loop.request('estop', 'test')
    bench.tick()
    assert bench.loop.request('estop_reset', 'test') == ''
    bench.loop.request('estop', 'test')
    bench.tick(2)
    assert bench.mode == 'ESTOP'
