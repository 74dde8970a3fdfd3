"""A push of the leader is detected; motion without a push is not."""

from actor_support.simulated_bench import SimulatedBench
import numpy as np
import pytest

from hilserl_actor.loop.leader_grab import LeaderGrab
from hilserl_core.contract.steps import Source
from so101_description.joints import LOWER, UPPER
from so101_sim.leader import Leader

SPEED = 2.0  # rad/s, the driver's limit
TICK = 0.00153  # rad, of a servo
LOADED = 0.045  # rad that a loaded servo may stay beside its setpoint


def mirror(seconds, pull=None, seed=0, speed=0.5, rate=10):
    """The simulated leader mirrors a wandering follower; returns when (s) a grab was detected.

    speed: of the follower's joints, rad/s. Commands come up to 30 ms late. Setpoints and measured
    angles are rounded to a servo's ticks.
    """
    rng = np.random.default_rng(seed)
    leader, grab = Leader(), LeaderGrab(rate)
    leader.pull(np.zeros(6))  # carried to the middle of its ranges, then released
    for _ in range(400):
        leader.step(0.005, np.zeros(6, bool), np.zeros(6), np.zeros(6))
    leader.pull(None)
    target = leader.position.copy()
    setpoint = target.copy()
    step, on, cycles = speed / rate, np.ones(6, bool), round(200 / rate)
    for tick in range(int(seconds * rate)):
        told, target = target, np.clip(target + rng.uniform(-step, step, 6), LOWER, UPPER)
        grab.note_command(target)
        late = rng.integers(0, 7)
        for cycle in range(cycles):
            if cycle == late:
                told = target
            setpoint += np.clip(told - setpoint, -SPEED * 0.005, SPEED * 0.005)
            if pull is not None and tick >= 5 * rate:
                leader.pull(leader.position + pull)
            leader.step(0.005, on, np.round(setpoint / TICK) * TICK, np.full(6, 4.7))
        if grab.grabbed(np.round(leader.position / TICK) * TICK):
            return tick / rate
    return None


@pytest.mark.slow
@pytest.mark.parametrize('rate', [10, 30])
def test_ten_minutes_of_motion_trigger_nothing(rate, monkeypatch):
    monkeypatch.setattr('so101_sim.leader.FRICTION', LOADED)
    assert mirror(600.0, rate=rate) is None
    assert mirror(60.0, speed=3.0, rate=rate) is None


@pytest.mark.slow
@pytest.mark.parametrize('rate', [10, 30])
@pytest.mark.parametrize('friction, within', [(0.004, 0.5), (LOADED, 2.0)])
def test_a_pull_on_any_joint_is_detected_soon(rate, friction, within, monkeypatch):
    monkeypatch.setattr('so101_sim.leader.FRICTION', friction)
    for joint in range(5):
        for sign in (-1.0, 1.0):
            pull = np.zeros(6)
            pull[joint] = 0.3 * sign
            detected = mirror(10.0, pull, speed=0.1, rate=rate)
            assert detected is not None and 5.0 <= detected <= 5.0 + within


def test_no_grab_is_detected_before_the_leader_is_aligned():
    grab = LeaderGrab(10.0)
    for _ in range(20):  # after a release the leader comes back from far away
        grab.note_command(np.zeros(6))
        assert not grab.grabbed(np.full(6, 0.5))


def test_a_grab_starts_an_intervention_and_a_release_ends_it():
    bench = SimulatedBench(sigma=0.0)
    bench.start()
    bench.tick(8)
    for _ in range(3):
        bench.position['leader'] = bench.loop.arms.reference + np.array([0.25, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.mode == 'HUMAN'
    assert any('the leader was grabbed' in line for line in bench.log)
    for _ in range(10):
        bench.position['leader'] = bench.position['leader'] + np.array([0.02, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.steps[-1].source == Source.HUMAN
    bench.tick(25)
    assert bench.mode == 'POLICY'
    assert any('the leader was released' in line for line in bench.log)


def test_evaluation_ignores_a_grab():
    bench = SimulatedBench('eval')
    bench.start()
    for _ in range(10):
        bench.position['leader'] = bench.loop.arms.reference + np.array([0.3, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.mode == 'EVAL'
