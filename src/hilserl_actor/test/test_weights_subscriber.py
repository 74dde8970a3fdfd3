"""Loading of published policies for the control loop."""

import threading

from actor_support.simulated_bench import SCHEMA, SimulatedBench, make_policy

from hilserl_actor.ros import weights_subscriber
from hilserl_core.policy.weights import PublishedPolicy, weights_to_cdr


def test_only_the_loops_thread_changes_the_number_of_steps(monkeypatch):
    """The loader must not: the loop adds to the number at the same time, and counts get lost."""
    bench, policy = SimulatedBench(), make_policy(2)
    bench.start()
    monkeypatch.setattr(weights_subscriber.Policy, 'from_bytes', lambda *_: policy)
    offer, offered = bench.loop.offer, threading.Event()
    monkeypatch.setattr(bench.loop, 'offer', lambda *words: (offer(*words), offered.set()))
    before = bench.loop.env_steps
    subscriber = weights_subscriber.WeightsSubscriber(SCHEMA, bench.loop, 1, print)
    threading.Thread(target=subscriber.load, daemon=True).start()
    subscriber.on_message(weights_to_cdr(PublishedPolicy(2, 2, 500, b'')))
    for _ in range(1000):
        subscriber.acted.set()
        if offered.wait(0.01):
            break
    assert offered.is_set() and bench.loop.env_steps == before
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
