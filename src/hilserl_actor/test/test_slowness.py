"""When the control loop tells that the computer is too slow."""

import os

import pytest

from hilserl_actor.loop.slowness import PERIOD, Slowness


@pytest.mark.parametrize('missed, told', [(0, ''), (20, ''), (135, '31%'), (300, '50%')])
def test_the_share_of_missed_ticks_is_told_with_load_and_remedy(missed, told):
    slowness = Slowness(10.0, load=lambda: 14.2)
    assert slowness.sentence(100.0, 50, 7) == ''
    assert slowness.sentence(100.0 + 0.5 * PERIOD, 200, 7 + missed) == ''
    sentence = slowness.sentence(100.0 + PERIOD, 350, 7 + missed)
    if told:
        assert sentence == (
            f'the control loop missed {told} of its ticks at load 14 on {os.cpu_count()} '
            'processors; close other programs, or rate:=5'
        )
    else:
        assert sentence == ''


def test_each_period_is_counted_alone():
    slowness = Slowness(10.0, load=lambda: 14.2)
    slowness.sentence(0.0, 0, 0)
    assert slowness.sentence(PERIOD, 150, 150) != ''
    assert slowness.sentence(2 * PERIOD, 450, 150) == ''
