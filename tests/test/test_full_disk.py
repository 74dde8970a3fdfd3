"""Every file that a full disk would cut: the old one stays whole, and one sentence says why."""

import json
from pathlib import Path
import threading
import time

import numpy as np
import pytest
import torch

from hilserl_core.bags.episode_bag import Bag, open_bags
from hilserl_core.bags.labels import Label, add_label, read_labels
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.agent.drqv2 import Agent
from hilserl_learner.training.checkpoint_state import TrainerState
from hilserl_learner.training.checkpoints import Checkpoints, Snapshot, load
from hilserl_learner.training.run_file import RunFile, read_run_file
from hilserl_tests.full_disk import full_disk
from so101_description.joints import JOINTS
from so101_description.model import model_hash
from so101_driver.bench_file import Bench, read_bench, write_bench
from so101_driver.recording import save
from so101_driver.unfinished import CHANGED, mark_path, read_mark, write_mark
from so101_node.errors import CellError
from so101_sim import calibration_path

SCHEMA = make_task('grasp_lift', model_hash())


def refused(write, *arguments, left=0):
    """Call `write` on a full disk; return its sentence. left: bytes that fit."""
    with full_disk(left), pytest.raises(CellError) as caught:
        write(*arguments)
    sentence = str(caught.value)
    assert '\n' not in sentence and 'cannot be written' in sentence
    return sentence


def files(directory):
    return {path: path.read_bytes() for path in directory.rglob('*') if path.is_file()}


def steps(episode, count):
    for i in range(count + 1):
        last = i == count
        yield StepRecord(
            stamp=10**18 + i * 10**8,
            schema_hash=SCHEMA.hash,
            episode_id=episode,
            index=i,
            cameras=tuple(camera.name for camera in SCHEMA.cameras),
            image_stamps=(1,) * len(SCHEMA.cameras),
            images=tuple(
                np.random.default_rng(i).integers(0, 256, camera.shape, np.uint8)
                for camera in SCHEMA.cameras
            ),
            state=np.array(SCHEMA.state_offset, np.float32),
            action=np.zeros(0 if last else len(SCHEMA.action_names), np.float32),
            source=Source.NONE if last else Source.HUMAN,
            last=last,
            outcome=Outcome.SUCCESS if last else Outcome.NONE,
        )


def test_run_yaml(tmp_path):
    file = RunFile(
        name='r', task='t', schema_hash=SCHEMA.hash, settings={}, schema=SCHEMA.canonical()
    )
    file.write(tmp_path)
    before = files(tmp_path)
    file.task = 'another'
    assert f'{tmp_path}/run.yaml' in refused(file.write, tmp_path)
    assert files(tmp_path) == before and read_run_file(tmp_path).task == 't'


def test_a_checkpoint_with_its_state_json(tmp_path):
    torch.manual_seed(0)
    config = AgentConfig(network=NetworkConfig(hidden=8, channels=4), conv_dtype='float32')
    agent, checkpoints = Agent(SCHEMA, config, torch.device('cpu'), seed=0), Checkpoints(tmp_path)

    def state(updates):
        return TrainerState(
            updates=updates, env_steps=0, version=1, episodes=0, credited=0, paced_updates=0,
            rng=np.random.default_rng(0).bit_generator.state, options={}, outcomes=[],
            success=0.0, success_episodes=0,
        )  # fmt: skip

    whole = checkpoints.save(Snapshot.of(agent), state(1))
    before = files(tmp_path)
    size = len((whole / 'state.json').read_bytes())
    for left in (0, size - 1):  # the networks, or state.json alone
        with full_disk(left), pytest.raises(CellError, match='the previous one is complete'):
            checkpoints.save(Snapshot.of(agent), state(2))
        assert files(tmp_path) == before and load(whole).state.updates == 1


def test_a_bag(tmp_path):
    errors = []
    recorder = Recorder(tmp_path, SCHEMA, lambda line: None)

    def run():
        try:
            recorder.run()
        except CellError as error:
            errors.append(str(error))

    for step in steps('whole', 5):
        recorder.record(step)
    thread = threading.Thread(target=run)
    thread.start()
    assert recorder.wait(20.0)
    with full_disk(20_000):
        for step in steps('cut', 50):
            recorder.record(step)
        end = time.monotonic() + 20.0
        while thread.is_alive() and time.monotonic() < end:
            time.sleep(0.05)
    thread.join(1.0)
    (sentence,) = errors
    assert sentence.startswith(f'bags cannot be written to {tmp_path}') and '\n' not in sentence
    (bag,) = [bag for bag in open_bags(tmp_path) if bag.directory.name == 'whole']
    assert len(list(bag.steps())) == 6


def test_the_labels_of_a_bag(tmp_path):
    recorder = Recorder(tmp_path, SCHEMA, lambda line: None)
    for step in steps('e', 3):
        recorder.record(step)
    recorder.finish()
    recorder.run()
    add_label(tmp_path / 'e', Label(time=10**18, outcome=Outcome.FAILURE))
    before = files(tmp_path)
    refused(add_label, tmp_path / 'e', Label(time=10**18, outcome=Outcome.SUCCESS))
    assert files(tmp_path) == before
    assert [label.outcome for label in read_labels(tmp_path / 'e')] == [Outcome.FAILURE]
    assert len(list(Bag(tmp_path / 'e').steps())) == 4


def test_bench_yaml(tmp_path):
    path = tmp_path / 'bench.yaml'
    path.write_text('version: 1\nfollower: {port: /dev/f}\n')
    before = files(tmp_path)
    bench = read_bench(path)
    assert isinstance(bench, Bench) and str(path) in refused(write_bench, path, bench)
    assert files(tmp_path) == before


def test_a_calibration(tmp_path):
    path = tmp_path / 'follower.json'
    table = json.loads(Path(calibration_path('follower')).read_text())
    path.write_text(json.dumps(table))
    before = path.read_bytes()
    for left in (0, len(before)):  # nothing fits; the copy of the old file fits, the new one not
        # no servo is written after it
        assert str(path) in refused(save, str(path), table, None, left=left)
        assert path.read_bytes() == before


def test_the_mark_of_a_calibration(tmp_path):
    path = str(tmp_path / 'leader.json')
    registers = {joint: dict.fromkeys(CHANGED, 1) for joint in JOINTS}
    write_mark(path, 'leader', registers)
    before = files(tmp_path)
    assert str(mark_path(path)) in refused(write_mark, path, 'leader', {})
    assert files(tmp_path) == before and read_mark(path, 'leader')[1] == registers
