"""A hand on the leader is felt, motion alone is not."""
from bench_top import BenchTop
from hilserl_actor.grab import Grab
from hilserl_learner.steps import Source
import numpy as np
from so101_description.joints import LOWER, UPPER
from so101_sim.leader import Leader

SPEED = 2.0     # rad/s, the driver's limit


def mirror(seconds, pull=None, seed=0, step=0.05):
    """The simulated leader mirrors a wandering follower at 10 Hz; returns when a grab was felt."""
    rng = np.random.default_rng(seed)
    leader, grab = Leader(), Grab(10.0)
    leader.pull(np.zeros(6))        # carried to the middle of its ranges, then left alone
    for _ in range(400):
        leader.step(0.005, np.zeros(6, bool), np.zeros(6), np.zeros(6))
    leader.pull(None)
    target = leader.position.copy()
    goal = target.copy()
    for tick in range(int(seconds * 10)):
        target = np.clip(target + rng.uniform(-step, step, 6), LOWER, UPPER)
        grab.commanded(target)
        for _ in range(20):
            goal += np.clip(target - goal, -SPEED * 0.005, SPEED * 0.005)
            if pull is not None and tick >= 50:
                leader.pull(leader.position + pull)
            leader.step(0.005, np.ones(6, bool), goal, np.full(6, 4.7))
        if grab.grabbed(leader.position):
            return tick
    return None


def test_ten_minutes_of_motion_trigger_nothing():
    assert mirror(600.0) is None
    assert mirror(60.0, step=0.3) is None


def test_a_pull_on_any_joint_is_felt_within_half_a_second():
    for joint in range(5):
        for sign in (-1.0, 1.0):
            pull = np.zeros(6)
            pull[joint] = 0.3 * sign
            tick = mirror(10.0, pull, step=0.01)
            assert tick is not None and 50 <= tick <= 55


def test_the_feeling_is_armed_only_once_the_leader_is_aligned():
    grab = Grab(10.0)
    for _ in range(20):     # after a release the leader comes back from far away
        grab.commanded(np.zeros(6))
        assert not grab.grabbed(np.full(6, 0.5))


def test_a_grab_takes_over_and_letting_go_gives_back():
    bench = BenchTop(sigma=0.0)
    bench.start()
    bench.tick(8)
    for _ in range(3):
        bench.position['leader'] = bench.loop.reference + np.array([0.25, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.mode == 'HUMAN'
    assert any('the leader was grabbed' in line for line in bench.log)
    for _ in range(10):
        bench.position['leader'] = bench.position['leader'] + np.array([0.02, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.steps[-1].source == Source.HUMAN
    bench.tick(25)
    assert bench.mode == 'POLICY'
    assert any('the leader was let go' in line for line in bench.log)


def test_evaluation_does_not_feel_the_leader():
    bench = BenchTop('eval')
    bench.start()
    for _ in range(10):
        bench.position['leader'] = bench.loop.reference + np.array([0.3, 0, 0, 0, 0, 0])
        bench.tick()
    assert bench.mode == 'EVAL'
