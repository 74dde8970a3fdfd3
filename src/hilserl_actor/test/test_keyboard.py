"""Decoding of keys, and keyboard teleoperation."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from hilserl_actor.loop.modes import EVENT_WORDS, OWN_EVENTS, TABLE
from hilserl_actor.operator.keyboard import KEYS, STOP_KEYS, Keyboard, name_of
from hilserl_actor.operator.keyboard_teleop import KEY_TIME, SPEED, KeyboardTeleop
from hilserl_actor.ros.operator_services import SWITCHES, TRIGGERS
from so101_description.joints import REST
from so101_description.kinematics import Kinematics

TYPED = b'\x1b[A\x1bOB X\x1b[6~\x1b[15~,'
EXPECTED = ['up', 'down', ' ', 'x', 'j', ',']
START = Kinematics().solve((0.25, 0.0, 0.1), np.pi / 2, 0.0, 0.5, REST).q


@given(st.lists(st.integers(0, len(TYPED)), max_size=6))
def test_keys_are_complete_however_their_bytes_are_split(cuts):
    cuts = [0, *sorted(cuts), len(TYPED)]
    keyboard = Keyboard()
    assert [
        key for a, b in itertools.pairwise(cuts) for key in keyboard.feed(TYPED[a:b])
    ] == EXPECTED


def test_a_refusal_names_for_each_event_the_key_that_causes_it():
    keys = {}  # event -> its keys
    for key, (_, service, value) in KEYS.items():
        event = SWITCHES[service][not value] if service in SWITCHES else TRIGGERS.get(service)
        keys.setdefault(event, []).append(name_of(key))
    keys['estop'], keys['estop_reset'] = list(STOP_KEYS), ['c']
    keys['resume'] = keys['pause']  # one key for both
    keys |= dict.fromkeys(('preflight', 'start_eval', 'start_human'), keys['start'])
    events = {e for row in TABLE.values() for e in row.exits} - set(OWN_EVENTS)
    assert events <= set(EVENT_WORDS)
    for event, text in EVENT_WORDS.items():
        assert text.endswith(f'({" or ".join(keys[event])})'), event


def test_a_key_after_an_escape_is_not_lost():
    keyboard = Keyboard()
    assert keyboard.feed(b'\x1b') == []
    assert keyboard.feed(b'x') == ['x']
    assert keyboard.feed(b'\x1bx') == ['x']
    assert keyboard.feed(b'\xff\xc3x') == ['x']


@pytest.mark.parametrize(
    'key, direction',
    [
        ('up', (1, 0, 0)),
        ('down', (-1, 0, 0)),
        ('left', (0, 1, 0)),
        ('right', (0, -1, 0)),
        ('u', (0, 0, 1)),
        ('j', (0, 0, -1)),
    ],
)
def test_a_key_held_down_moves_the_leader_in_its_direction_until_released(key, direction):
    teleop, leader, now = KeyboardTeleop(), START.copy(), 0.0
    assert teleop.target(now, 0.05, leader) is None
    while now < 0.5:  # a terminal repeats the key
        assert teleop.press(key, now)
        leader = teleop.target(now, 0.05, leader)
        now += 0.05
    tool = Kinematics().tool_pose
    moved = tool(leader)[0] - tool(START)[0]
    assert moved == pytest.approx(np.multiply(direction, 0.5 * SPEED), abs=0.006)
    assert teleop.target(now + KEY_TIME, 0.05, leader) is None


def test_a_turned_wrist_keeps_its_pitch_and_roll():
    """The follower of a task with droll or dpitch would turn with the leader."""
    turned = Kinematics().solve((0.25, 0.0, 0.1), 1.1, 0.5, 0.5, REST).q
    teleop, leader = KeyboardTeleop(), turned.copy()
    for now in np.arange(0.0, 0.5, 0.05):
        teleop.press('left', now)
        leader = teleop.target(now, 0.05, leader)
    assert leader[1:4].sum() == pytest.approx(1.1, abs=0.01) and leader[4] == pytest.approx(0.5)


def test_the_gripper_opens_and_closes_and_no_other_joint_goes_far():
    teleop = KeyboardTeleop()
    teleop.press('.', 0.0)
    opened = teleop.target(0.0, 0.05, START)
    assert opened[5] > START[5]
    assert opened[:5] == pytest.approx(START[:5], abs=0.02)
    assert not teleop.press('q', 0.0)
