"""The operator's screen and status line show the fields of the messages."""

import io
from pathlib import Path
import re

from ament_index_python.packages import get_package_share_directory
import pytest
from rich.console import Console

from hilserl_actor.loop.modes import Mode
from hilserl_actor.operator.announcements import announcements
from hilserl_actor.operator.keyboard import KEYS, SIMULATED_KEYS, key_rows, key_table
from hilserl_actor.operator.mode_texts import COLOURS, mode_text
from hilserl_actor.operator.screen import Screen, shortened
from hilserl_actor.operator.status_line import status_line
from hilserl_actor.options import TELEOPS
from so101_interfaces.msg import ActorStatus, LearnerStatus

SENTENCE = (
    'the driver did not accept the last command within a period; the command is sent again and '
    'its step is not recorded'
)


def status(**values):
    return ActorStatus(
        **{
            'mode': 'POLICY',
            'role': 'train',
            'episode': 7,
            'step': 12,
            'episodes': 6,
            'successes': 5,
            'alone': 3,
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


def drawn(screen, now=0.0, height=40, width=110):
    out = io.StringIO()
    Console(file=out, width=width).print(screen.render(now, height, width))
    return out.getvalue()


def test_the_screen_shows_mode_commander_history_and_arms():
    screen = Screen('keys')
    assert 'waiting for the actor' in drawn(screen)
    for episodes, successes, alone in ((5, 3, 2), (6, 3, 2), (7, 4, 2), (8, 5, 3)):
        screen.note_actor(
            status(
                episodes=episodes,
                successes=successes,
                alone=alone,
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
        '-h+',
        '345, 9.5 a second',
        '0.98 updates a step (target 1.00)',
        '3 rejected',
        '300',
        '810 of the run',
        '40 % of the actions',
        'workspace box',
        'HOT 55 C at gripper',
        '31 C at gripper',
        'load 80 %',
        'actor: refused',
        'driver: follower: overload',
        'take over',
        'version 9, 3a91bc4f, 2 s old',
        '1 successes alone in a row',
        'place the cube',
        'arrows',
    ):
        assert words in text, words
    assert '12 Hz of 30' not in text
    screen.note_actor(status(hint='let it try'), 2.0)
    assert 'let it try' in drawn(screen, 2.0)
    assert 'GONE' not in text and 'NO STATUS' not in text
    text = drawn(screen, 12.0)
    assert 'GONE for 12 s' in text and 'NO STATUS FROM THE ACTOR for 10 s' in text


@pytest.mark.parametrize('teleop', TELEOPS)
@pytest.mark.parametrize('width, height', [(60, 20), (80, 24), (100, 30), (110, 40), (200, 60)])
def test_every_key_is_visible_at_every_size_and_no_word_is_cut(teleop, width, height):
    screen = Screen(teleop)
    screen.note_actor(status(message=SENTENCE, mode='HUMAN'), 0.0)
    screen.note_learner(LearnerStatus(updates=345, checkpoint='300'), 0.0)
    for arm in ('follower', 'leader'):
        screen.note_diagnostic(
            f'driver: {arm}: gripper', 0, 'ok', {'temperature_c': '55', 'load': '0.5'}
        )
    for number in range(6):
        screen.lines.append(('', f'node{number}: {SENTENCE}'))
    screen.note_diagnostic('driver: follower', 2, SENTENCE, {})
    lines = drawn(screen, 1.0, height, width).splitlines()
    assert len(lines) < height and max(map(len, lines)) <= width
    text = '\n'.join(lines)
    for key, long, short in key_rows(teleop):
        assert key in text and (long in text or short in text), key
    assert 'driver: follower: the driver did not' in text
    words = {*SENTENCE.split(), 'node5:'}
    cut = [
        line.split('…')[0].split()[-1] for line in lines if '…' in line and 'driver did' in line
    ]
    assert set(cut) <= words and (cut or width > 110)


def test_a_long_text_is_cut_between_words():
    assert shortened('one two three', 13) == 'one two three'
    assert shortened('one two three', 11) == 'one two …'
    assert len(shortened('w' * 50, 20)) == 20


def test_with_a_scripted_operator_nothing_is_asked_of_the_person():
    screen = Screen('scripted')
    for mode in Mode:
        screen.note_actor(status(mode=mode.value, hint='take over earlier'), 0.0)
        text = drawn(screen)
        for words in ('you drive', 'waiting for you', 'space', 'take over', 'your share'):
            assert words not in text, (mode, words)
        line = status_line(
            status(mode=mode.value, hint='take over earlier'), None, False, 'scripted'
        )
        assert 'take over earlier' not in line
    assert 'the scripted operator drives' in mode_text('HUMAN', 'scripted')
    assert announcements(None, status(mode='READY', hint='help'), 'scripted') == [
        'READY: the scripted operator starts the next episode.'
    ]


def test_success_is_the_policys_own_and_other_successes_are_with_help():
    screen = Screen()
    screen.note_actor(status(), 0.0)
    text = drawn(screen)
    assert '3 of 6 (50 %)' in text and 'with help   2 of 6 (33 %)' in text
    line = status_line(status(), None)
    assert 'alone 3 of 6 (50 %) | with help 2 of 6 (33 %)' in line


def test_counts_go_on_after_a_resume():
    learner = LearnerStatus(episodes=107, recent_episodes=20, recent_alone=14)
    screen = Screen()
    first = status(episode=1, episodes=0, successes=0, alone=0, success_rate=float('nan'))
    screen.note_actor(first, 0.0)
    screen.note_learner(learner, 0.0)
    text = drawn(screen)
    assert '108, step 12' in text and '14 of 20 (70 %)' in text
    line = status_line(first, learner)
    assert 'episode 108 |' in line and 'alone 14 of 20 (70 %)' in line


def test_a_recording_shows_demonstrations_and_an_evaluation_only_the_policys_successes():
    recording = status_line(status(role='record', wanted=20), None)
    assert 'recorded 6 of 20 | succeeded 5 of 6 (83 %)' in recording
    assert 'alone' not in recording and 'helped' not in recording
    evaluation = status_line(status(role='eval', mode='EVAL', successes=3), None)
    assert 'alone 3 of 6 (50 %)' in evaluation and 'with help' not in evaluation


def test_an_episode_discarded_afterwards_is_removed_from_the_history():
    screen = Screen('leader')
    for episodes in (1, 2, 3, 2):
        screen.note_actor(status(episodes=episodes, successes=episodes, alone=episodes), 0.0)
    assert ''.join(screen.outcomes) == '+'


def test_only_changes_are_announced_to_a_screen_reader():
    first = status(mode='READY', message='')
    assert announcements(None, first, 'leader') == ['READY: waiting for you: space starts.']
    assert announcements(first, status(mode='READY', step=3), 'leader') == []
    assert announcements(
        first,
        status(mode='POLICY', episodes=7, successes=6, alone=4, message='grabbed'),
        'leader',
    ) == [
        'POLICY: the policy drives.',
        'The policy succeeded alone in 4 of 7 episodes, with help in 2.',
        'grabbed.',
    ]
    assert announcements(first, status(mode='READY', role='record', episodes=7), 'leader') == [
        '7 demonstrations, 5 succeeded.'
    ]


@pytest.mark.parametrize('teleop', TELEOPS)
def test_every_mode_has_a_colour_and_a_text(teleop):
    assert set(COLOURS) == {mode.value for mode in Mode}
    assert all(mode_text(mode.value, teleop) for mode in Mode)


def test_every_key_is_in_the_table():
    assert all(text in key_table('leader') for text, _, _ in KEYS.values())
    assert all(text in key_table('keys') for text, _, _ in (KEYS | SIMULATED_KEYS).values())
    assert 'arrows' not in key_table('leader') and 'arrows' in key_table('keys')
    assert all('Ctrl-C' in key_table(teleop) for teleop in TELEOPS)


LEARNER = {
    'WAITING': 'waiting for steps',
    'PRETRAINING': 'learning from demonstrations first',
    'TRAINING': 'training',
    'RECORDING': 'recording only',
    'PAUSED': 'paused',
    'FAILED': 'FAILED',
}


@pytest.mark.parametrize('state, text', LEARNER.items())
def test_screen_and_status_line_say_what_the_learner_does(state, text):
    screen = Screen('leader')
    screen.note_actor(status(), 0.0)
    learner = LearnerStatus(state=state, updates=123)
    screen.note_learner(learner, 0.0)
    for height, width in ((20, 60), (24, 80), (40, 110)):
        shown = drawn(screen, height=height, width=width)
        assert re.search(f'learner +{text}[ \n]', shown), shown
    assert f'| {text}, 123 updates |' in status_line(status(), learner)


def test_each_state_in_the_message_definition_has_a_text():
    directory = Path(get_package_share_directory('so101_interfaces')) / 'msg'
    (line,) = [
        line
        for line in (directory / 'LearnerStatus.msg').read_text(encoding='utf-8').splitlines()
        if line.startswith('string state')
    ]
    assert set(line.partition('#')[2].split()) == set(LEARNER)


def test_the_status_line_of_a_recording_has_no_update_ratio():
    learner = LearnerStatus(state='RECORDING', update_ratio=float('nan'))
    assert 'ratio' not in status_line(status(role='record'), learner)


def test_the_status_line_shows_mode_counts_and_rates():
    line = status_line(
        status(mode='HUMAN'), LearnerStatus(state='TRAINING', updates=123, update_ratio=0.98)
    )
    for words in (
        'HUMAN',
        'episode 7',
        'source human',
        'sigma 0.25',
        'alone 3 of 6',
        '123 updates',
        'ratio 0.98',
        'policy v9',
    ):
        assert words in line, words
    gone = status_line(status(hint='let it try'), LearnerStatus(updates=123), True)
    assert 'learner gone' in gone and '123 updates' not in gone and 'let it try' in gone
    assert status_line(None, None) == 'waiting for the actor'
    assert '\n' not in line


def test_a_detector_is_shown_with_its_probability_or_as_not_sure():
    screen = Screen('leader')
    screen.note_actor(status(reward_source='world', success_probability=1.0), 0.0)
    assert 'detector' not in drawn(screen)
    screen.note_actor(status(reward_source='detector 0d64ce16', success_probability=0.31), 0.0)
    assert 'success 31 % (detector 0d64ce16)' in drawn(screen)
    nan = float('nan')
    screen.note_actor(status(reward_source='detector 0d64ce16', success_probability=nan), 0.0)
    assert 'not sure (detector 0d64ce16)' in drawn(screen)
