"""Blocked joints, and arms that are slow, loaded, or hold an object."""

import numpy as np
import pytest

from hilserl_actor.loop.blocked_joint import BlockedJoint

TICK = 0.0015  # rad


def run(seconds, target, position, watch=None):
    """Update ten times a second with functions of time that return (6,) rad; return sentences."""
    watch, found = watch or BlockedJoint(), []
    for i in range(round(seconds * 10)):
        at = i * 0.1
        goal = target(at)
        sentence = watch.update(50.0 + at, np.array(position(at)), goal)
        if sentence:
            found.append((at, sentence))
    return found


def joints(**angles):
    values = np.zeros(6)
    for name, angle in angles.items():
        values[int(name[1:])] = angle
    return values


def test_a_blocked_joint_is_named_after_a_second():
    found = run(1.5, lambda t: joints(j1=0.15), lambda t: joints())
    assert found[0][0] == pytest.approx(1.0)
    assert 'shoulder_lift is blocked' in found[0][1] and '0.15 rad' in found[0][1]


def test_a_blocked_joint_is_named_while_the_others_move_and_its_ticks_flicker():
    found = run(
        1.5, lambda t: joints(j0=t, j3=-0.12), lambda t: joints(j0=t, j3=TICK * (int(t * 10) % 2))
    )
    assert 'wrist_flex is blocked' in found[0][1]


@pytest.mark.parametrize(
    'target, position',
    [
        (lambda t: joints(j1=0.045), lambda t: joints()),  # a loaded arm
        (lambda t: joints(j2=0.2 + 0.1 * t), lambda t: joints(j2=0.1 * t)),  # a slow arm
        (lambda t: joints(j5=-0.3), lambda t: joints()),  # an object in the gripper
        (lambda t: None, lambda t: joints()),  # the driver executes nothing
        (lambda t: joints(j0=0.3) if t < 0.9 else joints(), lambda t: joints()),  # freed in time
    ],
)
def test_what_is_no_block(target, position):
    assert run(5.0, target, position) == []


def test_it_starts_again_after_a_time_without_commands():
    watch = BlockedJoint()
    away = joints(j0=0.3)
    assert run(0.9, lambda t: away, lambda t: joints(), watch) == []
    watch.forget()
    assert run(0.9, lambda t: away, lambda t: joints(), watch) == []
