"""Loading of published policies for the control loop."""

import threading
import time

from actor_support.fake_cell import bundle
from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy
import pytest

from hilserl_actor.ros import weights_subscriber
from hilserl_core.policy.weights import PublishedPolicy, weights_to_cdr
from so101_node.errors import CellError
from so101_node.refusals import Refusals
from so101_node.run_id import RunFilter


def make_subscriber(bench, run, publishers=1):
    """A subscriber with its loading thread. `lines`, `adopted`: what it logged and announced."""
    lines, adopted = [], []
    subscriber = weights_subscriber.WeightsSubscriber(
        SCHEMA,
        bench.loop,
        1,
        run,
        Refusals(lines.append),
        weights_subscriber.WeightsTopic(
            lambda: '/stranger on another host',
            lambda: publishers == 1,
            lambda: adopted.append(run.run_id),
        ),
    )
    subscriber.lines, subscriber.adopted = lines, adopted
    threading.Thread(target=subscriber.load, daemon=True).start()
    return subscriber


def loaded(subscriber, condition):
    """Return whether the condition becomes true while the loop goes on."""
    for _ in range(1000):
        subscriber.acted.set()
        if condition():
            return True
        time.sleep(0.01)
    return False


def publish(subscriber, bench, run_id, version):
    """Let a learner of a run publish; return the version that is active afterwards."""
    data = weights_to_cdr(PublishedPolicy(2, version, 0, bundle(version), run_id))
    subscriber.on_message(data)
    refused = len(subscriber.lines)

    def done():
        bench.tick()
        return bench.loop.policy.version == version or len(subscriber.lines) > refused

    loaded(subscriber, done)
    return bench.loop.policy.version


def test_only_the_loops_thread_changes_the_number_of_steps(monkeypatch):
    """The loader must not: the loop adds to the number at the same time, and counts get lost."""
    bench, policy = SimulatedBench(), make_policy(2)
    bench.start()
    monkeypatch.setattr(weights_subscriber.Policy, 'from_bytes', lambda *_: policy)
    offer, offered = bench.loop.offer, threading.Event()
    monkeypatch.setattr(bench.loop, 'offer', lambda *words: (offer(*words), offered.set()))
    before = bench.loop.env_steps
    subscriber = make_subscriber(bench, RunFilter(''))
    subscriber.on_message(weights_to_cdr(PublishedPolicy(2, 2, 500, b'')))
    assert loaded(subscriber, offered.is_set) and bench.loop.env_steps == before
    bench.tick()
    assert bench.loop.policy is policy and bench.loop.env_steps == 501


def test_a_policy_with_fewer_steps_than_the_loop_does_not_reduce_them():
    bench = SimulatedBench()
    bench.start()
    bench.loop.offer(make_policy(2), env_steps=500)
    bench.tick(3)
    bench.loop.offer(make_policy(3), env_steps=490)
    bench.tick()
    assert bench.loop.env_steps == 504


def test_a_strangers_newer_policy_does_not_lock_the_own_learner_out():
    bench = SimulatedBench()
    bench.start()
    subscriber = make_subscriber(bench, RunFilter('own'), publishers=2)
    assert publish(subscriber, bench, 'own', 5) == 5
    for theirs in ('theirs', ''):
        with pytest.raises(CellError, match="but this run is 'own'"):
            publish(subscriber, bench, theirs, 1000)
    assert publish(subscriber, bench, 'own', 6) == 6


def test_an_actor_without_a_run_id_takes_that_of_the_first_good_policy():
    bench = SimulatedBench()
    bench.start()
    run = RunFilter('')
    subscriber = make_subscriber(bench, run)
    subscriber.on_message(weights_to_cdr(PublishedPolicy(2, 2, 0, b'garbage', 'theirs')))
    assert loaded(subscriber, lambda: subscriber.lines) and run.run_id == ''
    assert 'publishers: /stranger on another host' in subscriber.lines[0]
    assert publish(subscriber, bench, 'first', 900) == 900
    assert run.run_id == 'first' and subscriber.adopted == ['first']
    # its learner was started again and counts from 1
    assert publish(subscriber, bench, 'second', 2) == 2
    assert run.run_id == 'second' and subscriber.adopted == ['first', 'second']


def test_with_two_learners_an_actor_keeps_the_run_that_it_has():
    bench = SimulatedBench()
    bench.start()
    subscriber = make_subscriber(bench, RunFilter(''), publishers=2)
    assert publish(subscriber, bench, 'first', 3) == 3
    with pytest.raises(CellError, match="but this run is 'first'"):
        publish(subscriber, bench, 'second', 7)
