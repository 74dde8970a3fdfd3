"""Refused messages: counted, and logged once a second without megabytes of foreign text."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from so101_node.refusals import LIMIT, Refusals, short


@given(st.text(max_size=1000))
def test_foreign_text_becomes_one_short_printable_line(text):
    line = short(text)
    assert len(line) <= LIMIT and (line.isprintable() or not line)


@pytest.mark.slow
def test_a_flood_of_refusals_is_counted_and_logged_once_a_second():
    lines, now = [], [0.0]
    refusals = Refusals(lines.append, lambda: now[0])
    for _ in range(5000):
        refusals.add('step', 'x' * 10**7)
        now[0] += 0.001
    assert refusals.count == 5000 and len(lines) == 5
    assert max(map(len, lines)) < LIMIT + 60
    assert lines[1].endswith('(999 more before)')


def test_a_refusal_names_the_publishers():
    lines = []
    Refusals(lines.append).add('reward', 'it is of no run', lambda: '/stranger on another host')
    assert lines == ['reward refused: it is of no run; publishers: /stranger on another host']
