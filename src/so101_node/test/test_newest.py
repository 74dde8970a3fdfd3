"""Which messages are live, and which are repeated by a player."""

from hypothesis import given
from hypothesis import strategies as st

from so101_node.newest import Newest

S = 10**9
START = 1_800_000_000 * S


def test_no_message_is_accepted_while_a_newer_one_lives():
    newest = Newest()
    assert newest.problem(START, START, 0.0) == ''
    assert newest.problem(START, START, 0.1) == ''  # the same moment
    assert 'newer has arrived before' in newest.problem(START - 1, START, 0.1)
    assert 'one that is 3.0 s newer' in newest.problem(START - 3 * S, START, 0.2)
    assert newest.problem(START + 1, START, 0.3) == ''


def test_an_old_message_is_refused_with_its_age_though_no_live_one_came():
    newest = Newest(max_age=1.0)
    assert 'it is 90.0 s old (limit 1 s)' in newest.problem(START - 90 * S, START, 0.0)
    assert newest.problem(START - S // 2, START, 0.0) == ''


def test_after_the_clock_was_set_back_live_messages_are_accepted_again_after_the_window():
    newest = Newest(max_age=1.0, window=0.5)
    assert newest.problem(START, START, 0.0) == ''
    set_back = START - 3600 * S
    assert newest.problem(set_back, set_back, 0.1)
    assert newest.problem(set_back + S, set_back + S, 0.6) == ''
    assert newest.problem(set_back + 2 * S, set_back + 2 * S, 0.7) == ''


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=20))
def test_a_recording_of_this_start_beside_live_messages_is_refused_whole(played_at):
    newest = Newest()
    live = [(tick * 0.1, START + int(tick * S // 10)) for tick in range(1000)]
    events = [(at, stamp, True) for at, stamp in live]
    events += [(at + 0.05, START - 1, False) for at in played_at if at < 99.9]
    for at, stamp, is_live in sorted(events):
        assert (newest.problem(stamp, START, at) == '') is is_live
