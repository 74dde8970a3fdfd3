"""Bags: what goes in comes out, for rosbags, for rclpy's definitions, and after a kill."""

from array import array
from dataclasses import replace
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
import core_support
from core_support import START, record, same
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import Image

from hilserl_core.bags.cdr import STEP_TYPE, TASK_TYPE, step_from_cdr, step_to_cdr
from hilserl_core.bags.episode_bag import (
    Bag,
    EpisodeBag,
    bag_name,
    find_bags,
    new_bag,
    open_bags,
    recover_all,
)
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.steps import Outcome, Source
from hilserl_learner.training.run_directory import RunDirectory
from so101_interfaces.msg import Step
from so101_node.errors import CellError
from so101_node.names import BASE_FRAME


def write(directory, schema, count=12, episode='e-1'):
    steps = [record(schema, i, episode, last=i == count - 1) for i in range(count)]
    bag = EpisodeBag(directory, schema, steps[0].stamp)
    for step in steps:
        bag.write(step)
    bag.close()
    return steps


def message_of(step):
    """The message of a step, filled field by field and serialised by rclpy."""

    def stamp(ns):
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)

    images = []
    for name, at, pixels in zip(step.cameras, step.image_stamps, step.images):
        height, width, _ = pixels.shape
        image = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        image.data = array('B', pixels.tobytes())
        image.header.stamp, image.header.frame_id = stamp(at), name
        images.append(image)
    message = Step(
        schema_hash=step.schema_hash,
        episode_id=step.episode_id,
        index=step.index,
        images=images,
        state=array('f', step.state),
        action=array('f', step.action),
        source=int(step.source),
        reward=step.reward or 0.0,
        has_reward=step.reward is not None,
        terminated=step.terminated,
        truncated=step.truncated,
        last=step.last,
        outcome=int(step.outcome),
        policy_version=step.policy_version,
        sigma=step.sigma,
    )
    message.header.stamp, message.header.frame_id = stamp(step.stamp), BASE_FRAME
    return message


def test_our_bytes_are_the_ones_rclpy_writes(schema):
    for step in (record(schema, 1), record(schema, 2, last=True)):
        message = message_of(step)
        ours, theirs = step_to_cdr(step), serialize_message(message)
        assert len(ours) == len(theirs)  # padding apart, whose content is undefined
        assert deserialize_message(ours, Step) == message
        assert same(step, step_from_cdr(theirs))
        assert same(step, step_from_cdr(ours))


def test_a_step_is_serialised_once_and_its_images_are_views_of_the_bytes(schema):
    step = record(schema, 1)
    data = step_to_cdr(step)
    assert type(data) is bytes  # which rclpy publishes as they are
    assert step_to_cdr(step) is data
    received = step_from_cdr(data)
    assert step_to_cdr(received) is data
    for image in received.images:
        assert np.shares_memory(image, np.frombuffer(data, np.uint8))


def test_a_changed_step_has_bytes_of_its_own(schema):
    step = record(schema, 1)
    step_to_cdr(step)
    changed = replace(step, reward=1.0, terminated=True)
    assert same(step_from_cdr(step_to_cdr(changed)), changed)
    assert same(step_from_cdr(step_to_cdr(step)), step)


def test_constants_are_the_messages():
    assert {s.value for s in Source} == {Step.SOURCE_NONE, Step.SOURCE_POLICY, Step.SOURCE_HUMAN}
    assert Source.HUMAN == Step.SOURCE_HUMAN
    assert {f'OUTCOME_{o.name}': o.value for o in Outcome} == {
        name: getattr(Step, name)
        for name in (
            'OUTCOME_NONE',
            'OUTCOME_SUCCESS',
            'OUTCOME_FAILURE',
            'OUTCOME_TIMEOUT',
            'OUTCOME_DISCARDED',
        )
    }


def test_an_image_that_is_not_whole_is_refused(schema):
    message = message_of(record(schema, 1))
    message.images[0].data = message.images[0].data[:-3]
    with pytest.raises(CellError, match='wrist_camera .*rgb8 without padding'):
        step_from_cdr(serialize_message(message))
    message = message_of(record(schema, 1))
    message.images[0].encoding = 'bgr8'
    with pytest.raises(CellError, match="encoding 'bgr8'"):
        step_from_cdr(serialize_message(message))


def test_a_bag_gives_back_its_steps(schema, tmp_path):
    steps = write(tmp_path / 'bag', schema)
    bag = Bag(tmp_path / 'bag')
    assert bag.schema == schema and bag.start == steps[0].stamp
    assert all(same(a, b) for a, b in zip(bag.steps(), steps, strict=True))


def test_any_rosbags_reader_opens_a_bag_by_its_own_definitions(schema, tmp_path):
    write(tmp_path / 'bag', schema)
    with AnyReader([tmp_path / 'bag']) as reader:
        topics = [
            (c.topic, reader.deserialize(data, c.msgtype)) for c, _, data in reader.messages()
        ]
    assert [topic for topic, _ in topics] == ['/hilserl/task'] + ['/hilserl/step'] * 12
    assert topics[0][1].schema_hash == schema.hash
    assert topics[-1][1].outcome == Outcome.SUCCESS
    metadata = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    assert 'version: 9' in metadata and 'storage_identifier: mcap' in metadata
    assert 'transient_local' in metadata


def test_another_task_is_named_by_its_fields(schema, tmp_path):
    write(tmp_path / 'bag', replace(schema, rate=20.0))
    with pytest.raises(CellError, match='rate: 10.0 here, 20.0 there'):
        Bag(tmp_path / 'bag').require(schema)


def test_bags_are_found_alone_or_in_a_directory_in_order_of_time(schema, tmp_path):
    for name, first in (('a', 100), ('b', 0)):
        bag = EpisodeBag(tmp_path / name, schema, record(schema, first).stamp)
        bag.write(record(schema, first, name))
        bag.close()
    assert [bag.directory.name for bag in open_bags(tmp_path)] == ['b', 'a']
    assert find_bags(tmp_path / 'a') == [tmp_path / 'a']


def test_ids_from_the_wire_cannot_leave_the_directory(schema, tmp_path):
    for name in ('../../etc', '/abs', '', '.hidden', 'a/b', 'x' * 300):
        assert '/' not in bag_name(name) and not bag_name(name).startswith('.')
    assert bag_name('20260101-e3') == '20260101-e3'
    first = new_bag(tmp_path, schema, record(schema, 0))
    first.close()
    second = new_bag(tmp_path, schema, record(schema, 0))
    assert second.directory.name == 'e-1-2'
    second.close()


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


def test_a_killed_writer_loses_at_most_two_seconds(schema, tmp_path):
    writer = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(core_support.__file__).parent,
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


def test_a_power_cut_loses_at_most_what_was_not_yet_synced(schema, tmp_path, monkeypatch):
    """What is on disk for sure: files as they were at their last fsync, in synced directories."""
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
    write(tmp_path / 'bags' / 'e', schema)
    if damage == 'no footer':
        file = tmp_path / 'bags' / 'e' / 'e.mcap'
        file.write_bytes(file.read_bytes()[:-200])
    else:
        (tmp_path / 'bags' / 'e' / 'metadata.yaml').write_bytes(b'')
    (sentence,) = recover_all(tmp_path / 'bags')
    assert 'e-recovered' in sentence
    (bag,) = open_bags(tmp_path / 'bags')
    assert len(list(bag.steps())) == 12 and recover_all(tmp_path / 'bags') == []


@pytest.mark.parametrize('part', [0.0, 0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_bag_cut_anywhere_gives_what_is_whole_in_it(schema, tmp_path, part):
    steps = [record(schema, i) for i in range(60)]
    bag = EpisodeBag(tmp_path / 'e', schema, START)
    for i, step in enumerate(steps):
        bag.write(step)
        if i % 10 == 9:
            bag.flush()
    bag.close()
    (tmp_path / 'e' / 'metadata.yaml').unlink()
    file = tmp_path / 'e' / 'e.mcap'
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    sentences = recover_all(tmp_path)
    assert len(sentences) == 1
    recovered = [step for bag in open_bags(tmp_path) for step in bag.steps()]
    assert len(recovered) >= int(part * 6 - 0.2) * 10
    assert all(same(a, b) for a, b in zip(recovered, steps))


def test_a_damaged_bag_is_one_sentence(schema, tmp_path):
    write(tmp_path / 'bag', schema)
    file = tmp_path / 'bag' / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-20_000])
    with pytest.raises(CellError, match='bag .*bag'):
        list(Bag(tmp_path / 'bag').steps())
    shutil.rmtree(tmp_path / 'bag')
    with pytest.raises(CellError, match='cannot be read'):
        Bag(tmp_path / 'bag')


def test_recorder_completes_bags_of_interleaved_episodes(schema, tmp_path):
    recorder = Recorder(tmp_path, schema, print)
    for i in range(8):
        recorder.record(record(schema, i, 'a', last=i == 7))
        recorder.record(record(schema, i, 'b'))
    recorder.finish()
    recorder.run()
    assert recorder.bags == 2
    counts = {bag.directory.name: len(list(bag.steps())) for bag in open_bags(tmp_path)}
    assert counts == {'a': 8, 'b': 8}


def test_recorder_says_when_the_disk_does_not_take_it(schema, tmp_path):
    recorder = Recorder(tmp_path / 'gone' / '\0', schema, print)
    recorder.record(record(schema, 0))
    with pytest.raises((CellError, ValueError)):
        recorder.run()


def moving(schema, millimetres, action):
    check = ActionCheck(schema)
    x = schema.state_names.index('tool.x')
    for i in range(11):
        state = np.zeros(19, np.float32)
        state[x] = 0.2 + millimetres / 1000 * i / 10
        check.add(record(schema, i, state=state, action=np.array(action, np.float32)))
    return check.problem()


def test_zero_actions_while_the_arm_moved_are_found(schema):
    assert '100 mm while its actions add up to 0 mm' in moving(schema, 100, [0, 0, 0, 1])
    assert moving(schema, 100, [0.5, 0, 0, 0]) == ''
    assert moving(schema, 3, [0, 0, 0, 1]) == ''


def test_a_run_directory_is_held_by_one_process_and_keeps_its_task(schema, tmp_path):
    run = RunDirectory(tmp_path / 'run', schema)
    assert not run.exists
    run.begin(schema, {'start': 'demos'})
    with pytest.raises(CellError, match=f'in use by process {os.getpid()}'):
        RunDirectory(tmp_path / 'run', schema)
    run.release()
    again = RunDirectory(tmp_path / 'run', schema)
    assert again.exists and again.settings == {'start': 'demos'}
    again.release()
    with pytest.raises(CellError, match='max_steps: 50 here, 100 there'):
        RunDirectory(tmp_path / 'run', replace(schema, max_steps=50))
    (tmp_path / 'run' / 'run.yaml').write_text('settings: [')
    with pytest.raises(CellError, match='run.yaml is damaged'):
        RunDirectory(tmp_path / 'run', schema)


def test_a_bag_of_another_message_version_is_refused(schema, tmp_path):
    older = get_typestore(Stores.ROS2_JAZZY)
    text = (Path(get_package_share_directory('so101_interfaces')) / 'msg' / 'Step.msg').read_text()
    older.register(get_types_from_msg(text.replace('float32 sigma', 'float64 sigma'), STEP_TYPE))
    older.register(get_types_from_msg('string schema', TASK_TYPE))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, name in (('/hilserl/task', TASK_TYPE), ('/hilserl/step', STEP_TYPE)):
            writer.add_connection(topic, name, typestore=older)
    with pytest.raises(CellError, match='is not the so101_interfaces/msg/Task of this version'):
        Bag(tmp_path / 'bag')


def test_any_flipped_byte_is_a_sentence_or_harmless(schema, tmp_path):
    write(tmp_path / 'bag', schema)
    file = tmp_path / 'bag' / 'bag.mcap'
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, 300, 7), *rng.integers(0, len(whole), 100)]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(Bag(tmp_path / 'bag').steps())
        except CellError as error:
            assert 'bag' in str(error)
