"""The leader under a pull and under its servos."""

import numpy as np

from so101_description.joints import REST
from so101_sim.leader import HAND_SPEED, MAX_DEFLECTION, Leader

ON, OFF = np.ones(6, bool), np.zeros(6, bool)
SPEED = np.full(6, 2.0)
MOVED = REST + [0.4, 0.3, -0.3, 0.2, 0.5, 0.6]


def run(leader, seconds, torque, goal):
    fastest = 0.0
    for _ in range(int(seconds / 0.005)):
        leader.step(0.005, torque, goal, SPEED)
        fastest = max(fastest, np.abs(leader.velocity).max())
    return fastest


def test_it_follows_its_goal_within_the_servos_speed_limit():
    leader = Leader()
    assert run(leader, 0.1, ON, MOVED) <= 2.0 + 1e-9
    assert np.abs(leader.position - REST).max() <= 0.2 + 1e-9
    run(leader, 1.0, ON, MOVED)
    assert np.abs(leader.position - MOVED).max() < 0.005


def test_a_pull_against_the_servos_moves_it_a_little_and_loads_them():
    leader = Leader()
    leader.pull(MOVED)
    run(leader, 1.0, ON, REST)
    away = np.abs(leader.position - REST)
    assert np.allclose(away, MAX_DEFLECTION, atol=0.01)
    assert np.allclose(np.abs(leader.load), 1.0)
    leader.pull(None)
    run(leader, 1.0, ON, REST)
    assert np.abs(leader.position - REST).max() < 0.005
    assert np.allclose(leader.load, 0.0)


def test_without_torque_it_follows_the_pull_at_a_humans_speed():
    leader = Leader()
    leader.pull(MOVED)
    assert run(leader, 0.1, OFF, REST) <= HAND_SPEED + 1e-9
    run(leader, 1.0, OFF, REST)
    assert np.allclose(leader.position, MOVED)


def test_a_released_leader_stays_and_does_not_jump_when_torque_goes_on():
    leader = Leader()
    leader.pull(MOVED)
    run(leader, 1.0, OFF, REST)
    leader.pull(None)
    run(leader, 1.0, OFF, REST)
    assert np.array_equal(leader.position, MOVED)
    run(leader, 0.5, ON, MOVED)
    assert np.array_equal(leader.position, MOVED)
