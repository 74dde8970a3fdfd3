"""Bags that were cut off: after a kill, after a power cut, anywhere."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import core_support
from core_support import START, record, same, write_bag
import pytest

from hilserl_core.bags.episode_bag import EpisodeBag, find_bags, open_bags
from hilserl_core.bags.recovery import recover_all

KILLED = """
import sys
import time
from pathlib import Path
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.tasks import make_task
import threading
from core_support import record
schema = make_task('grasp_lift', 'test-model')
recorder = Recorder(Path(sys.argv[1]), schema, print)
threading.Thread(target=recorder.run, daemon=True).start()
for i in range(1000):
    recorder.record(record(schema, i))
    print(i, flush=True)
    time.sleep(0.02)
"""


@pytest.mark.slow
def test_a_killed_writer_loses_at_most_two_seconds(schema, tmp_path):
    writer = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(core_support.__file__).parents[1],
    )
    stamps = []
    for line in writer.stdout:
        stamps.append((time.monotonic(), int(line)))
        if len(stamps) == 120:
            break
    os.kill(writer.pid, signal.SIGKILL)
    killed = time.monotonic()
    writer.wait()
    writer.stdout.close()
    before = {p: p.read_bytes() for p in tmp_path.rglob('*.mcap')}
    assert find_bags(tmp_path) == []
    (sentence,) = recover_all(tmp_path)
    (bag,) = open_bags(tmp_path)
    steps = list(bag.steps())
    old_enough = [number for at, number in stamps if at < killed - 2.0]
    assert len(old_enough) > 5 and len(steps) > old_enough[-1]
    assert f'{len(steps)} steps recovered into e-1-recovered' in sentence
    assert [step.index for step in steps] == list(range(len(steps)))
    assert same(steps[3], record(schema, 3))
    assert {p: p.read_bytes() for p in before} == before
    assert recover_all(tmp_path) == []


@pytest.mark.slow
def test_a_power_cut_loses_at_most_what_was_not_yet_synced(schema, tmp_path, monkeypatch):
    """The disk after a power cut has files as of their last fsync, in synced directories."""
    synced, fsync = {}, os.fsync

    def remember(descriptor):
        path = Path(os.readlink(f'/proc/self/fd/{descriptor}'))
        synced[path] = {p.name for p in path.iterdir()} if path.is_dir() else path.read_bytes()
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', remember)
    (tmp_path / 'bags').mkdir()
    bag = EpisodeBag(tmp_path / 'bags' / 'e', schema, START)
    states = []
    for i in range(30):
        bag.write(record(schema, i, 'e'))
        if i % 10 == 9:  # the recorder does so once a second
            bag.flush()
        states.append((i // 10 * 10 + (i % 10 == 9) * 10, dict(synced)))
    bag.close()
    states.append((30, dict(synced)))
    for count, (expected, state) in enumerate(states):
        disk = tmp_path / f'disk-{count}'
        disk.mkdir()
        kept = state.get(tmp_path / 'bags', set())
        for path, content in state.items():
            if (
                isinstance(content, bytes)
                and path.parent.name in kept
                and (path.name in state.get(path.parent, ()))
            ):
                (disk / path.parent.name).mkdir(exist_ok=True)
                (disk / path.parent.name / path.name).write_bytes(content)
        sentences = recover_all(disk)
        steps = [step for found in open_bags(disk) for step in found.steps()]
        assert len(steps) == expected, (count, sentences)
        assert len(sentences) == (9 <= count < 30)


@pytest.mark.parametrize('damage', ['empty metadata', 'no footer'])
def test_a_bag_whose_end_did_not_reach_the_disk_is_recovered(schema, tmp_path, damage):
    write_bag(tmp_path / 'bags' / 'e', schema)
    if damage == 'no footer':
        file = tmp_path / 'bags' / 'e' / 'e_0.mcap'
        file.write_bytes(file.read_bytes()[:-200])
    else:
        (tmp_path / 'bags' / 'e' / 'metadata.yaml').write_bytes(b'')
    (sentence,) = recover_all(tmp_path / 'bags')
    assert 'e-recovered' in sentence
    (bag,) = open_bags(tmp_path / 'bags')
    assert len(list(bag.steps())) == 12 and recover_all(tmp_path / 'bags') == []


@pytest.mark.parametrize('part', [0.0, 0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_bag_cut_anywhere_gives_its_readable_steps(schema, tmp_path, part):
    steps = [record(schema, i) for i in range(60)]
    bag = EpisodeBag(tmp_path / 'e', schema, START)
    for i, step in enumerate(steps):
        bag.write(step)
        if i % 10 == 9:
            bag.flush()
    bag.close()
    (tmp_path / 'e' / 'metadata.yaml').unlink()
    file = tmp_path / 'e' / 'e_0.mcap'
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    sentences = recover_all(tmp_path)
    assert len(sentences) == 1
    recovered = [step for bag in open_bags(tmp_path) for step in bag.steps()]
    assert len(recovered) >= int(part * 6 - 0.2) * 10
    assert all(same(a, b) for a, b in zip(recovered, steps))
