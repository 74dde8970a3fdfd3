"""The data on disk after kills, on a full disk, and in changed bags."""

from dataclasses import replace
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

import core_support
from core_support import record, same
from learner_support.small_disk import mounted
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from hilserl_core.bags.cdr import STEP_TYPE, TASK_TYPE, step_from_cdr, step_to_cdr, typestore
from hilserl_core.bags.episode_bag import Bag, EpisodeBag, bags_by_time, find_bags
from hilserl_core.bags.recorder import Recorder
from hilserl_core.bags.recovery import recover_all
from hilserl_learner.replay.buffer import Replay
from hilserl_learner.training.fill_replay import load_run
from hilserl_learner.verb.label import label
from so101_node.errors import CellError

KILLS = 20
STEP_PERIOD = 0.04
EPISODE = 30
# One process that forks the writers: each new start would take a second.
WRITERS = f"""
import os, sys, threading, time
from pathlib import Path
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.tasks import make_task
from core_support import record
schema = make_task('grasp_lift', 'test-model')
Recorder(Path(sys.argv[1]), schema, print)      # as the learner, which has read its bags by then
for number in range({KILLS}):
    if os.fork() == 0:
        parent = Path(sys.argv[1]) / str(number)
        parent.mkdir()
        recorder = Recorder(parent, schema, print)
        threading.Thread(target=recorder.run, daemon=True).start()
        for i in range(1000):
            episode, index = divmod(i, {EPISODE})
            recorder.record(record(schema, index, f'e{{episode}}', last=index == {EPISODE} - 1))
            os.write(1, b'%d %d %d\\n' % (number, os.getpid(), i))
            time.sleep({STEP_PERIOD})
        os._exit(0)
for _ in range({KILLS}):
    os.wait()
"""


@pytest.mark.slow
def test_twenty_kills_lose_no_step_older_than_two_seconds(schema, tmp_path):
    writers = subprocess.Popen(
        [sys.executable, '-c', WRITERS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(core_support.__file__).parents[1],
    )
    rng = np.random.default_rng()
    lives = rng.uniform(0.3, 5.0, KILLS)
    handed = {number: [] for number in range(KILLS)}
    killed = {}
    for line in writers.stdout:
        now = time.monotonic()
        number, pid, _ = map(int, line.split())
        if number in killed:
            continue
        handed[number].append(now)
        if now - handed[number][0] > lives[number]:
            os.kill(pid, signal.SIGKILL)
            killed[number] = time.monotonic()
    writers.wait()
    assert len(killed) == KILLS
    before = after = 0
    for number, times in handed.items():
        parent = tmp_path / str(number)
        complete = {p: p.read_bytes() for bag in find_bags(parent) for p in bag.glob('*.mcap')}
        recover_all(parent)
        assert all(p.read_bytes() == content for p, content in complete.items())
        steps = [step for bag in bags_by_time(parent) for step in Bag(bag).steps()]
        places = sorted((int(s.episode_id[1:]), s.index) for s in steps)
        assert places == [divmod(i, EPISODE) for i in range(len(steps))]  # none twice or out
        old = sum(at < killed[number] - 2.0 for at in times)
        assert len(steps) >= old, (number, len(steps), old, len(times))
        before, after = before + len(times), after + len(steps)
    print(f'{before} steps before, {after} after {KILLS} kills')
    assert after > before / 3


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()
    with mounted(disk, '1m'):
        yield disk


def test_a_full_disk_is_reported_and_earlier_steps_are_kept(schema, small_disk, tmp_path):
    recorder = Recorder(small_disk, schema, print)
    handed = [record(schema, i % 20, f'e{i // 20}', last=i % 20 == 19) for i in range(120)]
    for step in handed:
        recorder.record(step)
    with pytest.raises(CellError, match='No space left.*free some disk space'):
        recorder.run()
    complete = [s for bag in bags_by_time(small_disk) for s in Bag(bag).steps()]
    assert len(complete) >= 40 and all(map(same, complete, handed))
    shutil.copytree(small_disk, tmp_path / 'larger')
    recover_all(tmp_path / 'larger')
    steps = [s for bag in bags_by_time(tmp_path / 'larger') for s in Bag(bag).steps()]
    assert len(steps) >= len(complete) and all(map(same, steps, handed))


def test_recovery_on_a_full_disk_raises_one_sentence(schema, small_disk):
    bag = EpisodeBag(small_disk / 'cut', schema, 1)
    for i in range(50):
        bag.write(record(schema, i))
    bag.flush()
    with pytest.raises(CellError, match='50 steps cannot be saved.*free some disk space'):
        recover_all(small_disk)


def write_steps(directory, schema, steps, step_type=STEP_TYPE):
    """A complete bag of these steps, in this order, whatever they are."""
    writer = Writer(directory, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    types = typestore()
    with writer:
        task = writer.add_connection('/hilserl/task', TASK_TYPE, typestore=types)
        topic = writer.add_connection('/hilserl/step', step_type, typestore=types)
        writer.write(
            task,
            1,
            types.serialize_cdr(
                types.types[TASK_TYPE](
                    name=schema.name,
                    schema_hash=schema.hash,
                    schema=schema.canonical(),
                    run_id='',
                ),
                TASK_TYPE,
            ),
        )
        for i, step in enumerate(steps):
            writer.write(topic, 2 + i, step if isinstance(step, bytes) else step_to_cdr(step))


def load(directory, schema):
    logged = []
    replay = Replay(schema, 200)
    return replay, load_run(directory, replay, logged.append), logged


def test_a_wrong_message_type_is_a_sentence(schema, tmp_path):
    write_steps(tmp_path / 'bag', schema, [b'\0\1\0\0\0\0\0\0'], 'std_msgs/msg/Empty')
    with pytest.raises(CellError, match='std_msgs/msg/Empty is not the so101_interfaces/msg/Step'):
        load(tmp_path, schema)


def test_bytes_that_are_not_a_step_raise_one_sentence(schema, tmp_path):
    whole = bytes(step_to_cdr(record(schema, 0)))
    rng = np.random.default_rng(0)
    for data in (
        b'',
        b'\0\0\0\0',
        b'\0\1\0\0' + b'\xff' * 40,
        whole[:200],
        whole[:-20],
        *(whole[:n] for n in rng.integers(0, len(whole), 20)),
    ):
        with pytest.raises(CellError, match='are no so101_interfaces/msg/Step|rgb8 without'):
            step_from_cdr(data)
    write_steps(tmp_path / 'bag', schema, [whole[:-20]])
    logged = []
    load_run(tmp_path, Replay(schema, 100), logged.append)
    assert 'bag bag is damaged (these bytes are no' in logged[0]


def test_out_of_order_and_double_steps_are_refused_and_counted(schema, tmp_path):
    steps = [record(schema, i, last=i == 9) for i in range(10)]
    write_steps(tmp_path / 'a', schema, [*steps[:4], steps[2], steps[3], *steps[4:]])
    write_steps(tmp_path / 'b', schema, steps)  # the same episode once more
    replay, _loaded, _ = load(tmp_path, schema)
    assert len(replay) == 9 and replay.rejected == 2 + 10
    assert 'its episode already has this step, or has ended' in replay.last_rejection


def test_stamps_that_do_not_increase_make_no_transition(schema, tmp_path):
    steps = [record(schema, i) for i in range(10)]
    steps[4] = replace(steps[4], stamp=steps[2].stamp)
    steps[7] = replace(steps[7], stamp=steps[6].stamp)
    write_steps(tmp_path / 'a', schema, steps)
    replay, _, _ = load(tmp_path, schema)
    # 3 to 4 goes back, 4 to 5 is three periods, 6 to 7 has the same stamp
    kept = replay.gather(replay._valid.members().astype(np.int64))
    found = {round(float(s[0]), 6) for s in kept.state}
    assert found == {round(float(steps[i].state[0]), 6) for i in (0, 1, 2, 5, 7, 8)}


def test_a_label_of_a_runs_bag_is_applied_when_the_run_is_loaded(schema, tmp_path):
    bag = EpisodeBag(tmp_path / 'e', schema, 1)
    for i in range(10):
        bag.write(record(schema, i, last=i == 9, reward=None))
    bag.close()
    assert len(load(tmp_path, schema)[0]) == 0  # no step has a reward
    label(tmp_path / 'e', 'success', None)
    replay, _, _ = load(tmp_path, schema)
    batch = replay.gather(np.sort(replay._valid.members()).astype(np.int64))
    assert len(replay) == 9 and float(batch.discount[-1]) == 0.0
    assert batch.reward[-1] == 1.0 and batch.reward[0] == 0.0


def test_steps_of_two_writers_are_separated_by_episode(schema, tmp_path):
    recorder = Recorder(tmp_path, schema, print)
    replay = Replay(schema, 100, frame_stack=3)
    for i in range(12):
        for name, shade in (('left', 10), ('right', 200)):
            step = record(
                schema, i, name, last=i == 11, images=(np.full((64, 64, 3), shade + i, np.uint8),)
            )
            recorder.record(step)
            assert replay.add(step) == ''
    recorder.finish()
    recorder.run()
    for live in (replay, load(tmp_path, schema)[0]):
        batch = live.sample(200, False, np.random.default_rng(0))
        left = batch.images[0].numpy().max((1, 2, 3)) < 100
        assert 0 < left.sum() < 200
        # every frame of a stack, and of the next one, is the same cell's
        for images in (batch.images[0], batch.next_images[0]):
            assert (images[left] < 100).all() and (images[~left] >= 200).all()
