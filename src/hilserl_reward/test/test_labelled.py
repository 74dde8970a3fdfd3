"""Which frames of an episode show success, by its labels."""

from dataclasses import replace

import numpy as np
import pytest
from reward_support import LENGTH, PERIOD, START, episode, twelve, write

from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome
from hilserl_learner.training.run_file import RunFile
from hilserl_reward.counts import count
from hilserl_reward.labelled import NEGATIVE, POSITIVE, UNLABELLED, read_labelled
from so101_node.errors import CellError


def read(directory, **options):
    return read_labelled([str(directory)], directory.parent, **options)


def test_a_marked_success_shows_at_its_end_and_not_a_second_before(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True)])
    (found,) = read(tmp_path / 'a').episodes
    assert found.moment == LENGTH - 1
    assert found.labels.tolist() == [NEGATIVE] * 13 + [UNLABELLED] * 10 + [POSITIVE]


def test_an_operator_is_late_by_a_persons_reaction(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True)])
    (found,) = read(tmp_path / 'a', reaction=0.2).episodes
    assert found.labels.tolist() == [NEGATIVE] * 11 + [UNLABELLED] * 10 + [POSITIVE] * 3


def test_all_frames_after_a_labelled_moment_show_success(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True)])
    add_label(tmp_path / 'a' / 'e000', Label(Outcome.SUCCESS, START + 18 * PERIOD))
    (found,) = read(tmp_path / 'a', margin=0.2).episodes
    assert found.labels.tolist() == [NEGATIVE] * 16 + [UNLABELLED] * 2 + [POSITIVE] * 6


def test_frames_after_a_labelled_failure_are_left_out(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True)])
    add_label(tmp_path / 'a' / 'e000', Label(Outcome.FAILURE, START + 9 * PERIOD))
    (found,) = read(tmp_path / 'a').episodes
    assert found.labels.tolist() == [NEGATIVE] * 10 and not found.succeeded
    assert len(found.images[0]) == len(found.states) == 10


def test_a_later_label_overrules_the_outcome_in_both_directions(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True), episode(schema, 1, False)])
    add_label(tmp_path / 'a' / 'e000', Label(Outcome.FAILURE))
    add_label(tmp_path / 'a' / 'e001', Label(Outcome.SUCCESS))
    assert [each.succeeded for each in read(tmp_path / 'a').episodes] == [False, True]


def test_discarded_and_unmarked_episodes_are_counted_and_left_out(tmp_path, schema):
    steps = [episode(schema, number, True) for number in range(3)]
    steps[0][-1] = replace(steps[0][-1], outcome=Outcome.NONE)
    write(tmp_path / 'a', schema, steps)
    add_label(tmp_path / 'a' / 'e001', Label(Outcome.DISCARDED))
    found = read(tmp_path / 'a')
    assert found.left_out == {'without an outcome': 1, 'discarded': 1}
    assert len(found.episodes) == 1


def run_of(directory, schema, reward, source='topic'):
    write(directory / 'bags', schema, [episode(schema, n, n % 2 == 0) for n in range(4)])
    RunFile(
        name='r',
        task=schema.name,
        schema_hash=schema.hash,
        settings={},
        cell={'cell': {'reward': reward}, 'actor': {'reward_source': source}},
        schema=schema.to_json(),
    ).write(directory)
    return directory


def test_rewards_of_a_detector_are_no_labels_until_a_person_confirms_them(tmp_path, schema):
    directory = run_of(tmp_path / 'run', schema, '/old.safetensors')
    add_label(directory / 'bags' / 'e001', Label(Outcome.FAILURE))
    found = read(directory)
    assert [each.name for each in found.episodes] == ['e001']
    assert found.left_out == {'judged by a success detector, without a label of a person': 3}


@pytest.mark.parametrize(
    'reward, source, positive',
    [
        ('operator', 'operator', 3),
        ('world', 'topic', 1),
        ('', 'operator', 3),  # the default of a real cell
        ('', 'topic', 1),  # and of the simulated one
    ],
)
def test_the_run_says_whether_a_person_marked_it(tmp_path, schema, reward, source, positive):
    found = read(run_of(tmp_path / 'run', schema, reward, source))
    assert (found.episodes[0].labels == POSITIVE).sum() == positive


def test_a_damaged_bag_is_named_and_left_out(tmp_path, schema):
    write(tmp_path / 'a', schema, twelve(schema)[:3])
    file = next((tmp_path / 'a' / 'e001').glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:300])
    found = read(tmp_path / 'a')
    assert len(found.episodes) == 2 and 'e001' in found.notes[0]


def test_runs_of_two_tasks_are_refused_with_the_difference(tmp_path, schema):
    write(tmp_path / 'a', schema, [episode(schema, 0, True)])
    other = replace(schema, rate=20.0)
    write(
        tmp_path / 'b',
        other,
        [[replace(s, schema_hash=other.hash) for s in episode(schema, 1, True)]],
    )
    with pytest.raises(CellError, match='e001 is of another task; rate: 10.0 here, 20.0 there'):
        read_labelled(['a', 'b'], tmp_path)


def test_counts_say_what_is_missing(tmp_path, schema):
    write(tmp_path / 'a', schema, twelve(schema))
    counts = count(read(tmp_path / 'a'))
    assert (counts.successes, counts.failures, counts.closed) == (6, 6, 6)
    assert counts.missing()[1] == ('6 failures; 20 are wanted: ./cell record purpose:=negatives')
    assert any(
        each.startswith('6 failures with the gripper as in a success; 10')
        for each in counts.missing()
    )


def test_a_failure_with_an_open_gripper_is_no_near_miss(tmp_path, schema):
    episodes = twelve(schema)
    gripper = schema.state_names.index('gripper.position')
    for steps in episodes[1:9:2]:
        for number, step in enumerate(steps):
            state = np.array(step.state)
            state[gripper] = 1.0
            steps[number] = replace(step, state=state)
    write(tmp_path / 'a', schema, episodes)
    assert count(read(tmp_path / 'a')).closed == 2


@pytest.mark.parametrize(
    'kept, sentence',
    [
        (0, '0 of the labelled episodes are a failure'),
        (1, '0 of the labelled episodes are a success'),
    ],
)
def test_one_outcome_alone_is_refused(tmp_path, schema, kept, sentence):
    write(tmp_path / 'a', schema, twelve(schema)[kept::2])
    with pytest.raises(CellError, match=sentence):
        count(read(tmp_path / 'a')).require_both()
