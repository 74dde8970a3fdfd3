"""A first session: the page says its parts, what to do now, and how far it is."""

import pytest

from hilserl_actor.bringup.session_part import VARIABLE, part_in, text_of_part
from hilserl_actor.options import KEYS, SCRIPTED
from hilserl_console.guide import PARTS, guide
from so101_node.modes import Mode

TASK = 'bring the tool to the cube'


def told(part, teleop, **state):
    return guide(part, teleop, state, TASK)


def test_a_cell_that_is_part_of_no_session_has_no_guide():
    assert told(part_in({}), KEYS, role='record', mode=Mode.READY) is None
    for wrong in ('', '0/3', '1', 'a/b', '1/3/2', '10/3'):
        assert part_in({VARIABLE: wrong}) == (0, 0)


def test_a_person_is_led_through_a_demonstration():
    part = part_in({VARIABLE: text_of_part(1, 3)})
    assert told(part, KEYS)['now'] == 'The cell starts.'
    found = {
        mode: told(part, KEYS, role='record', mode=mode, wanted=10, episodes=4)
        for mode in (Mode.IDLE, Mode.RESET, Mode.READY, Mode.HUMAN, Mode.PAUSED, Mode.ESTOP)
    }
    assert all(each['parts'] == PARTS and each['part'] == 1 for each in found.values())
    assert len({each['now'] for each in found.values()}) == len(found)
    assert TASK in found[Mode.HUMAN]['now'] and 'The arrows move' in found[Mode.HUMAN]['now']
    assert found[Mode.READY]['count'] == '4 of 10 episodes'


def test_in_training_it_says_when_the_policy_learns_first_and_how_to_take_over():
    first = told((2, 3), KEYS, role='train', mode=Mode.IDLE, policy={'sha': ''})
    assert 'learns from your demonstrations' in first['now']
    ready = told((2, 3), KEYS, role='train', mode=Mode.IDLE, policy={'sha': '1a2b'})
    assert ready['now'].startswith('Press space')
    later = told((2, 3), KEYS, role='train', mode=Mode.POLICY, policy={'sha': '1a2b'})
    assert 'take over' in later['now'] and later['wanted'] == 0


@pytest.mark.parametrize('teleop', [KEYS, SCRIPTED])
def test_in_the_evaluation_nobody_helps(teleop):
    assert 'alone' in told((3, 3), teleop, role='eval', mode=Mode.EVAL)['now']


def test_a_session_that_goes_on_without_a_recording_has_two_parts():
    assert told((1, 2), SCRIPTED, role='train', mode=Mode.POLICY)['parts'] == PARTS[1:]
