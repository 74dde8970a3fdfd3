"""The operator's screen and status line show the fields of the messages."""

import io

from rich.console import Console

from hilserl_actor.loop.modes import Mode
from hilserl_actor.operator.announcements import announcements
from hilserl_actor.operator.keyboard import KEYS, key_table
from hilserl_actor.operator.screen import COLOURS, MODE_TEXTS, Screen
from hilserl_actor.operator.status_line import status_line
from so101_interfaces.msg import ActorStatus, LearnerStatus


def status(**values):
    return ActorStatus(
        **{
            'mode': 'POLICY',
            'episode': 7,
            'step': 12,
            'episodes': 6,
            'successes': 3,
            'success_rate': 0.5,
            'intervention_share': 0.25,
            'interventions': 4,
            'sigma': 0.25,
            'policy_version': 9,
            'period_ms_p50': 100.0,
            'period_ms_p99': 104.0,
            **values,
        }
    )


def drawn(screen, now=0.0, height=40):
    out = io.StringIO()
    Console(file=out, width=110).print(screen.render(now, height))
    return out.getvalue()


def test_the_screen_shows_mode_commander_history_and_arms():
    screen = Screen(key_table(True))
    assert 'waiting for the actor' in drawn(screen)
    for episodes, successes in ((5, 3), (6, 3), (7, 4)):
        screen.note_actor(
            status(
                episodes=episodes,
                successes=successes,
                message='the arm holds',
                streak=1,
                env_steps=810,
                saturation=0.4,
                limited='workspace box',
                policy_sha256='3a91bc4f00',
            ),
            0.0,
        )
    screen.note_learner(
        LearnerStatus(
            updates=345,
            updates_per_s=9.5,
            update_ratio=0.98,
            target_ratio=1.0,
            rejected_steps=3,
            checkpoint='300',
        ),
        0.0,
    )
    for arm, temperature, load in (('follower', 55, -0.8), ('leader', 31, 0.1)):
        screen.note_diagnostic(
            f'driver: {arm}: gripper',
            0,
            'ok',
            {'temperature_c': str(temperature), 'load': str(load)},
        )
    screen.note_diagnostic('driver: follower', 2, 'overload; clear with ...', {})
    screen.note_diagnostic('camera: wrist_camera', 1, '12 Hz of 30', {})
    screen.note_diagnostic('camera: wrist_camera', 0, 'ok', {})
    screen.lines.append(('red', 'actor: refused'))
    text = drawn(screen, 2.0)
    for words in (
        'POLICY',
        'the policy drives',
        'the arm holds',
        '4 of 7',
        '-+',
        '345 updates, 9.5 a second',
        '0.98 updates a step (target 1.00)',
        '3 rejected',
        '300',
        '810 of the run',
        '40 % of the actions',
        'workspace box',
        'HOT 55 C at gripper',
        '31 C at gripper',
        '80 % at gripper',
        'actor: refused',
        'driver: follower: overload',
        'take over',
        'version 9, 3a91bc4f, 2 s old',
        '1 successes in a row',
        'place the cube',
        'arrows',
    ):
        assert words in text, words
    assert '12 Hz of 30' not in text
    screen.note_actor(status(hint='let it try'), 2.0)
    assert 'let it try' in drawn(screen, 2.0)
    assert 'GONE' not in text and 'NO STATUS' not in text
    assert len(drawn(screen, 2.0, 24).splitlines()) <= 24
    assert 'x       EMERGENCY STOP' in drawn(screen, 2.0, 24)
    text = drawn(screen, 12.0)
    assert 'GONE for 12 s' in text and 'NO STATUS FROM THE ACTOR for 10 s' in text


def test_an_episode_discarded_afterwards_is_removed_from_the_history():
    screen = Screen('')
    for episodes in (1, 2, 3, 2):
        screen.note_actor(status(episodes=episodes, successes=episodes), 0.0)
    assert ''.join(screen.outcomes) == '+'


def test_only_changes_are_announced_to_a_screen_reader():
    first = status(mode='READY', message='')
    assert announcements(None, first) == ['READY: waiting for you: space starts.']
    assert announcements(first, status(mode='READY', step=3)) == []
    assert announcements(
        first, status(mode='POLICY', episodes=7, successes=4, message='grabbed')
    ) == [
        'POLICY: the policy drives.',
        '4 of 7 episodes succeeded.',
        'grabbed.',
    ]


def test_every_mode_has_a_colour_and_a_text():
    assert set(COLOURS) == set(MODE_TEXTS) == {mode.value for mode in Mode}


def test_every_key_is_in_the_table():
    assert all(text in key_table(False) for text, _, _ in KEYS.values())
    assert 'arrows' not in key_table(False)


def test_the_status_line_shows_mode_counts_and_rates():
    line = status_line(
        status(mode='HUMAN'), LearnerStatus(state='TRAINING', updates=123, update_ratio=0.98)
    )
    for words in (
        'HUMAN',
        'episode 7',
        'source human',
        'sigma 0.25',
        'success 3/6',
        '123 updates',
        'ratio 0.98',
        'policy v9',
    ):
        assert words in line, words
    gone = status_line(status(hint='let it try'), LearnerStatus(updates=123), True)
    assert 'learner gone' in gone and '123 updates' not in gone and 'let it try' in gone
    assert status_line(None, None) == 'waiting for the actor'
    assert '\n' not in line
