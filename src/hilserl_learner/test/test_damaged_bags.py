"""A damaged finished bag is set aside, its readable steps are kept, and the run goes on."""

import math
import os
import shutil

from core_support import record
import pytest

from hilserl_core.bags.cdr import TASK_TYPE
from hilserl_core.bags.episode_bag import DAMAGED, METADATA, EpisodeBag, bag_name, find_bags
from hilserl_core.bags.labels import Label, add_label, sidecar
from hilserl_core.contract.steps import Outcome
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training import fill_replay
from hilserl_learner.training.fill_replay import load_run
from so101_node.errors import CellError

NAMES = ('a', 'b', 'c')
FIRST, STEPS = 20, 40  # steps before the damage; records in a bag


@pytest.fixture(autouse=True)
def no_progress(monkeypatch):
    monkeypatch.setattr(fill_replay, 'PROGRESS_PERIOD', math.inf)  # a busy computer shows it


@pytest.fixture
def bags(schema, tmp_path):
    for number, name in enumerate(NAMES):
        bag = EpisodeBag(tmp_path / name, schema, 10 + number)
        for i in range(STEPS):
            bag.write(record(schema, i, name, last=i == STEPS - 1))
            if i == FIRST - 1:
                bag.flush()  # a chunk ends here
        bag.close()
    return tmp_path


def second_chunk(file):
    """Overwrite a part of the last chunk of steps, so that it does not unpack."""
    data = bytearray(file.read_bytes())
    at = data.rindex(b'\x28\xb5\x2f\xfd')  # the last zstd frame
    data[at + 4 : at + 400] = b'\xff' * 396
    file.write_bytes(data)


def zeros(file):
    """The size and both ends are as before, the rest is lost."""
    data = file.read_bytes()
    file.write_bytes(data[:8] + bytes(len(data) - 16) + data[-8:])


def pipe(file):
    file.unlink()
    os.mkfifo(file)


def task(file):
    """Another task's hash, so that the task is not what it claims."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from hilserl_core.bags.cdr import task_to_cdr, typestore
    from hilserl_core.contract.tasks import make_task

    shutil.rmtree(file.parent)
    with Writer(file.parent, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection('/hilserl/task', TASK_TYPE, typestore=typestore())
        data = bytes(task_to_cdr(make_task('grasp_lift', 'test-model')))
        writer.write(topic, 1, data.replace(b'"rate":10', b'"rate":11'))


KINDS = {
    'second chunk': (second_chunk, FIRST, f'{STEPS - FIRST} of {STEPS} steps are missing'),
    'zeros': (zeros, 0, f'{STEPS} of {STEPS} steps are missing'),
    'no file': (lambda file: file.unlink(), 0, f'{STEPS} of {STEPS} steps are missing'),
    'pipe': (pipe, 0, f'{STEPS} of {STEPS} steps are missing'),
    'task': (task, 0, 'an unknown number of steps is missing'),
}


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('kind', KINDS)
def test_a_damaged_bag_is_set_aside_and_the_run_goes_on(schema, bags, kind, name):
    damage, kept, words = KINDS[kind]
    file = bags / name / f'{name}_0.mcap'
    damage(file)
    before = {p.name: p.read_bytes() for p in (bags / name).iterdir() if p.is_file()}
    logged = []
    replay = Replay(schema, 1000)
    load_run(bags, replay, logged.append)
    (sentence,) = (line for line in logged if 'is damaged' in line)
    assert sentence.startswith(f'bag {name} is damaged (') and words in sentence, sentence
    assert str(bags / DAMAGED / name) in sentence and len(sentence) < 800
    moved = bags / DAMAGED / name
    assert {p.name: p.read_bytes() for p in moved.iterdir() if p.is_file()} == before
    expected = {n for n in NAMES if n != name} | ({f'{name}-recovered'} if kept else set())
    assert {bag.name for bag in find_bags(bags)} == expected
    # one record before the damage has no successor
    assert len(replay) >= 2 * (STEPS - 1) + max(kept - 2, 0)
    logged.clear()
    again = Replay(schema, 1000)
    assert load_run(bags, again, logged.append).env_steps == 2 * (STEPS - 1) + kept
    assert logged == [] and len(again) >= 2 * (STEPS - 1) + max(kept - 2, 0)


def test_the_only_bag_of_a_run_may_be_damaged(schema, bags):
    for name in 'ac':
        shutil.rmtree(bags / name)
    zeros(bags / 'b' / 'b_0.mcap')
    logged = []
    assert load_run(bags, Replay(schema, 1000), logged.append).env_steps == 0
    assert 'no step is readable' in logged[0] and (bags / DAMAGED / 'b').is_dir()


def test_damaged_metadata_does_not_lose_a_step(schema, bags):
    (bags / 'b' / METADATA).write_bytes(b'\0' * 300)
    logged = []
    assert load_run(bags, Replay(schema, 1000), logged.append).env_steps == 3 * (STEPS - 1)
    assert logged == []


def test_a_bag_that_is_damaged_twice_gets_another_name(schema, bags):
    second_chunk(bags / 'b' / 'b_0.mcap')
    load_run(bags, Replay(schema, 1000), print)
    zeros(bags / 'b-recovered' / 'b-recovered_0.mcap')
    load_run(bags, Replay(schema, 1000), print)
    assert {p.name for p in (bags / DAMAGED).iterdir()} == {'b', 'b-recovered'}
    load_run(bags, Replay(schema, 1000), print)


def test_bags_of_another_version_are_all_refused_and_stay_where_they_are(schema, bags):
    for name in NAMES:
        task(bags / name / f'{name}_0.mcap')
    with pytest.raises(CellError, match='cannot be read'):
        load_run(bags, Replay(schema, 1000), print)
    assert {bag.name for bag in find_bags(bags)} == set(NAMES)


@pytest.mark.parametrize('text', ['null', '{}', '{"outcome": 77}', '\0', 'other data'])
def test_a_label_file_that_cannot_be_used_is_set_aside(schema, bags, text):
    add_label(bags / 'b', Label(Outcome.FAILURE))
    if text == 'other data':
        (bags / 'b' / 'more').write_text('x')
    else:
        sidecar(bags / 'b').write_text(text)
    logged = []
    assert load_run(bags, Replay(schema, 1000), logged.append).env_steps == 3 * (STEPS - 1)
    assert 'its labels are not used' in logged[0]
    assert (bags / DAMAGED / 'b.labels.json').exists() and not sidecar(bags / 'b').exists()


def test_no_episode_gets_the_name_of_the_directory_of_damaged_bags():
    assert bag_name(DAMAGED) != DAMAGED and bag_name('x-recovered') != 'x-recovered'
