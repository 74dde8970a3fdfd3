"""The operator's screen and status line say what the messages say."""
import io
from math import nan

from hilserl_actor.modes import Mode
from hilserl_actor.operator_node import key_table, KEYS
from hilserl_actor.screen import COLOURS, COMMANDERS, hint, Screen
from hilserl_actor.status_line import status_line
import pytest
from rich.console import Console
from so101_interfaces.msg import ActorStatus, LearnerStatus


def status(**values):
    return ActorStatus(**{
        'mode': 'POLICY', 'episode': 7, 'step': 12, 'episodes': 6, 'successes': 3,
        'success_rate': 0.5, 'intervention_share': 0.25, 'interventions': 4, 'sigma': 0.25,
        'policy_version': 9, 'period_ms_p50': 100.0, 'period_ms_p99': 104.0, **values})


def drawn(screen):
    out = io.StringIO()
    Console(file=out, width=110).print(screen.picture())
    return out.getvalue()


def test_the_screen_shows_mode_commander_history_and_arms():
    screen = Screen(key_table())
    assert 'waiting for the actor' in drawn(screen)
    screen.actor, screen.learner = status(message='the arm holds'), LearnerStatus(updates=345)
    for before, now in ((3, 3), (3, 4)):
        screen.note_outcomes(status(episodes=5, successes=before),
                             status(episodes=6, successes=now))
    screen.servos['follower/gripper'] = {'temperature_c': '55', 'load': '-0.8'}
    screen.lines.append(('red', 'driver: overload'))
    text = drawn(screen)
    for words in ('POLICY', 'the policy drives', 'the arm holds', '3 of 6', '-+', '345 updates',
                  'HOT 55 C at follower/gripper', 'load 80 %', 'driver: overload', 'take over',
                  'version 9'):
        assert words in text, words


def test_every_mode_has_a_colour_and_a_sentence():
    assert set(COLOURS) == set(COMMANDERS) == {mode.value for mode in Mode}


def test_every_key_is_in_the_table():
    assert all(text in key_table() for text, _, _ in KEYS.values())


@pytest.mark.parametrize('share, rate, words', [
    (0.9, 0.9, 'short take-overs'), (0.05, 0.1, 'take over earlier'), (0.3, 0.5, ''),
    (0.05, 0.9, ''), (0.9, nan, '')])
def test_the_hint_follows_share_and_success(share, rate, words):
    text = hint(status(intervention_share=share, success_rate=rate))
    assert words in text and bool(words) == bool(text)


def test_the_status_line_names_what_the_live_line_must_have():
    line = status_line(status(mode='HUMAN'), LearnerStatus(
        state='TRAINING', updates=123, update_ratio=0.98))
    for words in ('HUMAN', 'episode 7', 'source human', 'sigma 0.25', 'success 3/6',
                  '123 updates', 'ratio 0.98', 'policy v9'):
        assert words in line, words
    assert status_line(None, None) == 'waiting for the actor'
    assert '\n' not in line
