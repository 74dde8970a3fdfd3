"""Bags: they return the written steps, to us and to any reader of rosbag2."""

from dataclasses import replace
from pathlib import Path
import shutil

from ament_index_python.packages import get_package_share_directory
from core_support import record, same, write_bag
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hilserl_core.bags.cdr import STEP_TYPE, TASK_TYPE, step_to_cdr, task_to_cdr
from hilserl_core.bags.episode_bag import (
    Bag,
    EpisodeBag,
    bag_name,
    find_bags,
    new_bag,
    open_bags,
)
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome
from so101_node.errors import CellError


def test_a_bag_gives_back_its_steps(schema, tmp_path):
    steps = write_bag(tmp_path / 'bag', schema)
    bag = Bag(tmp_path / 'bag')
    assert bag.schema == schema and bag.start == steps[0].stamp
    assert all(same(a, b) for a, b in zip(bag.steps(), steps, strict=True))


def test_any_rosbags_reader_opens_a_bag_by_its_own_definitions(schema, tmp_path):
    write_bag(tmp_path / 'bag', schema)
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
    write_bag(tmp_path / 'bag', replace(schema, rate=20.0))
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


def test_a_damaged_bag_raises_one_sentence(schema, tmp_path):
    write_bag(tmp_path / 'bag', schema)
    file = tmp_path / 'bag' / 'bag_0.mcap'
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


def test_recorder_reports_a_failed_write(schema, tmp_path):
    recorder = Recorder(tmp_path / 'gone' / '\0', schema, print)
    recorder.record(record(schema, 0))
    with pytest.raises((CellError, ValueError)):
        recorder.run()


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


def test_a_bag_recorded_before_the_run_id_is_read(schema, tmp_path):
    older = get_typestore(Stores.ROS2_JAZZY)
    types = (STEP_TYPE, TASK_TYPE)
    for message_type in types:
        name = message_type.rpartition('/')[2]
        share = Path(get_package_share_directory('so101_interfaces'))
        text = (share / 'msg' / f'{name}.msg').read_text()
        before = text[: text.index('string run_id')]
        older.register(get_types_from_msg(before, message_type))
    steps = [record(schema, i, last=i == 2) for i in range(3)]
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        task, step = (
            writer.add_connection(f'/hilserl/{name}', message_type, typestore=older)
            for name, message_type in zip(('task', 'step'), reversed(types))
        )
        writer.write(task, 1, task_to_cdr(schema)[:-5])  # 5: an empty string at the end
        for each in steps:
            writer.write(step, each.stamp, bytes(step_to_cdr(each))[:-5])
    assert all(map(same, Bag(tmp_path / 'bag').steps(), steps))
    assert len(list(Bag(tmp_path / 'bag').steps())) == 3


def test_any_flipped_byte_is_harmless_or_raises_one_sentence(schema, tmp_path):
    write_bag(tmp_path / 'bag', schema)
    file = tmp_path / 'bag' / 'bag_0.mcap'
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, 300, 7), *rng.integers(0, len(whole), 100)]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(Bag(tmp_path / 'bag').steps())
        except CellError as error:
            assert 'bag' in str(error)
