"""What the page shows, from the same statuses as the operator's screen."""

import json

import pytest

from hilserl_actor.loop.modes import TABLE
from hilserl_actor.operator.keyboard import KEYS as KEY_TABLE
from hilserl_actor.operator.keyboard import SIMULATED_KEYS, STOP_KEYS
from hilserl_actor.operator.screen import SILENCE, Screen
from hilserl_actor.options import KEYS, LEADER, SCRIPTED
from hilserl_console.view import MAIN_KEYS, Trends, keys_of, main_keys, number, state
from so101_interfaces.msg import ActorStatus, LearnerStatus


def status(**values):
    nan = {'success_rate': float('nan'), 'saturation': float('nan')}
    return ActorStatus(
        **{'mode': 'POLICY', 'role': 'train', 'hint': 'i takes over', **nan, **values}
    )


def shown(screen, now=0.0, teleop=KEYS):
    found = state(screen, Trends(), teleop, 10.0, now)
    return json.loads(json.dumps(found, allow_nan=False))


def test_before_and_after_the_actor_lives_the_page_says_so():
    screen = Screen(KEYS)
    assert shown(screen)['why'] == 'waiting for the actor'
    screen.note_actor(status(), 0.0)
    assert shown(screen)['driver'] == 'policy'
    found = shown(screen, SILENCE + 1)
    assert found['gone'] and not found['driver'] and not found['main']
    assert 'press STOP' in found['why']


def test_why_the_arm_holds_comes_first_and_a_watcher_is_not_asked_to_do_anything():
    screen = Screen(KEYS)
    screen.note_actor(status(message='the image is 0.4 s old'), 0.0)
    assert shown(screen)['why'] == 'the image is 0.4 s old'
    screen.note_actor(status(), 0.0)
    assert shown(screen)['why'] == 'i takes over'
    assert shown(screen, teleop=SCRIPTED)['why'] == 'the policy drives'


def test_success_is_that_of_the_policy_alone_with_its_interval():
    screen = Screen(KEYS)
    screen.note_actor(status(episodes=9, successes=9), 0.0)
    screen.note_learner(LearnerStatus(recent_alone=10, recent_episodes=20, update_ratio=0.5), 0.0)
    found = shown(screen)
    assert found['success'] == {'part': 10, 'whole': 20, 'low': 0.299, 'high': 0.701}
    assert found['learner']['ratio'] == 0.5


def test_trends_have_each_finished_episode_once():
    trends, before = Trends(), None
    for episodes, alone, seconds in (
        (0, 0, 4.0),
        (0, 0, 8.25),
        (1, 1, 0.0),
        (1, 1, 3.0),
        (2, 1, 0.0),
    ):
        now = status(episodes=episodes, alone=alone, successes=alone, episode_s=seconds)
        trends.note(before, now)
        before = now
    assert [(each['seconds'], each['alone']) for each in trends.episodes] == [(8.2, 1), (3.0, 0)]


def test_a_warning_of_an_arm_covers_those_of_its_servos_and_hot_servos_are_marked():
    screen = Screen(KEYS)
    values = {'temperature_c': '61', 'load': '-0.4', 'voltage_min_v': '11.2', 'answers_lost': '3'}
    for name in ('driver: follower', 'driver: follower: gripper', 'driver: leader: gripper'):
        screen.note_diagnostic(name, 1, 'hot', values)
    found = shown(screen)
    assert [each['name'] for each in found['warnings']] == [
        'driver: follower',
        'driver: leader: gripper',
    ]
    assert found['servos']['follower'] == {
        'hottest': 'gripper',
        'temperature': 61.0,
        'hot': True,
        'supply': 11.2,
        'grip': 0.4,
        'lost': 3.0,
    }


def test_a_learner_that_is_gone_is_a_warning():
    screen = Screen(KEYS)
    screen.note_learner(LearnerStatus(), 0.0)
    screen.note_actor(status(), SILENCE + 1)
    found = shown(screen, SILENCE + 1)
    assert found['warnings'][0]['name'] == 'learner' and 'learner' not in found


@pytest.mark.parametrize('teleop', [KEYS, LEADER, SCRIPTED])
def test_the_page_has_every_key_of_the_terminal_and_each_mode_has_a_main_button(teleop):
    keys = {each['key'] for each in keys_of(teleop, False)}
    assert keys == {*STOP_KEYS, *KEY_TABLE, *(SIMULATED_KEYS if teleop == KEYS else ())}
    assert {each['key'] for each in keys_of(teleop, True)} == keys | {'end'}
    assert set(MAIN_KEYS) == set(TABLE)
    assert all(set(main) <= keys for main in MAIN_KEYS.values())


def test_a_number_that_is_not_finite_is_none():
    assert [number(value) for value in (float('nan'), float('inf'), 0.12345)] == [
        None,
        None,
        0.123,
    ]


def test_a_recording_offers_no_button_that_it_refuses():
    assert main_keys('HUMAN', 'train')[0] == 'o'
    assert main_keys('HUMAN', 'record') == ['s', 'f', 'd']
