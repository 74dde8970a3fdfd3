"""The episodes in a directory of bags: which count, with their labels."""

from core_support import record
import pytest

from hilserl_core.bags.episode_bag import new_bag
from hilserl_core.bags.episode_list import RobotClock, counts, episodes_by_time, row_of
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome, Source


def episode(schema, name, outcome, start=0):
    """Five steps of which two are a human's, and the final observation."""
    return [
        record(
            schema,
            i,
            name,
            last=i == 5,
            outcome=outcome if i == 5 else Outcome.NONE,
            source=Source.NONE if i == 5 else Source.HUMAN if i < 2 else Source.POLICY,
            stamp=(start + i) * 100_000_000 + 10**18,
        )
        for i in range(6)
    ]


def write(directory, schema, steps):
    bag = new_bag(directory, schema, steps[0])
    for step in steps:
        bag.write(step)
    bag.close()
    return bag.directory


def test_episodes_come_in_the_order_of_recording_with_their_labels(schema, tmp_path):
    write(tmp_path, schema, episode(schema, 'a', Outcome.SUCCESS, start=100))
    earlier = write(tmp_path, schema, episode(schema, 'b', Outcome.TIMEOUT))
    add_label(earlier, Label(Outcome.DISCARDED))
    rows = [row_of(steps) for _, steps in episodes_by_time(tmp_path, print)]
    assert [(row.episode_id, row.outcome) for row in rows] == [
        ('b', Outcome.DISCARDED),
        ('a', Outcome.SUCCESS),
    ]
    assert rows[1].steps == 5 and rows[1].human_steps == 2
    assert rows[1].succeeded and not rows[1].alone
    assert rows[1].ended - rows[1].began == 500_000_000


def test_aborted_and_discarded_episodes_do_not_count():
    assert [outcome for outcome in Outcome if counts(outcome)] == [
        Outcome.SUCCESS,
        Outcome.FAILURE,
        Outcome.TIMEOUT,
    ]


def test_what_cannot_be_read_is_named_and_the_other_bags_are_read(schema, tmp_path):
    write(tmp_path, schema, episode(schema, 'a', Outcome.SUCCESS))
    (tmp_path / 'none').mkdir()
    (tmp_path / 'none' / 'metadata.yaml').touch()
    bad = write(tmp_path, schema, episode(schema, 'b', Outcome.SUCCESS, start=100))
    (tmp_path / f'{bad.name}.labels.json').write_text('{')
    notes = []
    assert len(list(episodes_by_time(tmp_path, notes.append))) == 2
    assert len(notes) == 2
    assert 'it has no MCAP file; it is left out' in notes[0]
    assert 'its labels are left out' in notes[1]


def test_robot_time_leaves_out_long_pauses():
    clock = RobotClock()
    for seconds in (0, 30, 60, 600, 630):
        clock.advance(seconds * 10**9)
    assert clock.minutes == pytest.approx(1.5)
