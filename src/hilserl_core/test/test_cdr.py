"""The bytes of a step: exact both ways, equal to rclpy's, or one sentence."""

from array import array
from dataclasses import replace

from builtin_interfaces.msg import Time
from core_support import record, same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from hilserl_core.bags import mcap
from hilserl_core.bags.cdr import (
    STEP_TYPE,
    step_from_cdr,
    step_to_cdr,
    task_from_cdr,
    task_to_cdr,
    typestore,
)
from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from so101_interfaces.msg import Step, Task
from so101_node.errors import CellError
from so101_node.names import BASE_FRAME


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
        run_id=step.run_id,
    )
    message.header.stamp, message.header.frame_id = stamp(step.stamp), BASE_FRAME
    return message


def test_our_bytes_equal_those_of_rclpy(schema):
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


def test_the_recorder_writes_the_bytes_of_the_message(schema, tmp_path):
    received = [serialize_message(message_of(record(schema, i, last=i == 4))) for i in range(5)]
    recorder = Recorder(tmp_path, schema, print)
    for data in received:
        recorder.record(step_from_cdr(data))
    recorder.finish()
    recorder.run()
    messages = [
        m for _, m in mcap.read([*tmp_path.glob('*/*.mcap')]) if isinstance(m, mcap.Message)
    ]
    assert [bytes(m.data) for m in messages] == [task_to_cdr(schema), *received]


def test_constants_equal_those_of_the_message():
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


def test_an_incomplete_image_is_refused(schema):
    message = message_of(record(schema, 1))
    message.images[0].data = message.images[0].data[:-3]
    with pytest.raises(CellError, match='wrist_camera .*rgb8 without padding'):
        step_from_cdr(serialize_message(message))
    message = message_of(record(schema, 1))
    message.images[0].encoding = 'bgr8'
    with pytest.raises(CellError, match="encoding 'bgr8'"):
        step_from_cdr(serialize_message(message))


def test_rosbags_reads_the_same_from_our_bytes(schema):
    for index in range(40):
        step = record(
            schema,
            index,
            'e' * index,
            last=index % 3 == 0,
            sigma=index / 7,
            policy_version=index * 10**6,
            terminated=index % 2 == 0,
        )
        data = step_to_cdr(step)
        message = typestore().deserialize_cdr(data, STEP_TYPE)
        quick = step_from_cdr(data)
        assert same(quick, step)
        assert message.episode_id == quick.episode_id and message.sigma == quick.sigma
        assert np.array_equal(message.images[0].data, quick.images[0].reshape(-1))


def numbers(sizes):
    return arrays(np.float32, sizes, elements=st.floats(width=32, allow_nan=False))


UINT32 = st.integers(0, 2**32 - 1)
TEXT = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=20)
STAMP = st.integers(-(2**31) * 10**9, (2**31 - 1) * 10**9 + 999_999_999)
FLOAT32 = st.floats(width=32, allow_nan=False)
IMAGE = arrays(np.uint8, st.tuples(st.integers(0, 9), st.integers(0, 9), st.just(3)))


@st.composite
def any_step(draw):
    cameras = draw(st.lists(st.tuples(TEXT, STAMP, IMAGE), max_size=3))
    return StepRecord(
        stamp=draw(STAMP),
        schema_hash=draw(TEXT),
        episode_id=draw(TEXT),
        index=draw(UINT32),
        cameras=tuple(name for name, _, _ in cameras),
        image_stamps=tuple(stamp for _, stamp, _ in cameras),
        images=tuple(image for _, _, image in cameras),
        state=draw(numbers(st.integers(0, 30))),
        action=draw(numbers(st.integers(0, 6))),
        source=draw(st.integers(0, 255)),
        reward=draw(st.none() | FLOAT32),
        terminated=draw(st.booleans()),
        truncated=draw(st.booleans()),
        last=draw(st.booleans()),
        outcome=draw(st.integers(0, 255)),
        policy_version=draw(UINT32),
        sigma=draw(FLOAT32),
    )


@pytest.mark.slow
@settings(deadline=None)  # the first message of a type loads its library
@given(any_step())
def test_any_step_survives_its_bytes_and_rclpy_reads_the_same(step):
    data = step_to_cdr(step)
    read = step_from_cdr(data)
    assert same(read, step)
    assert step_to_cdr(replace(read)) == data  # writing it again gives the same bytes
    assert deserialize_message(data, Step) == message_of(step)


@pytest.mark.slow
@settings(deadline=None)  # the first message of a type loads its library
@given(any_step(), st.data())
def test_truncated_bytes_raise_one_sentence(step, data):
    whole = step_to_cdr(step)
    # without its last field it is a message of version 0.1
    without_run = len(whole) - len(step.run_id.encode()) - 12
    cut = data.draw(st.integers(0, without_run))
    with pytest.raises(CellError, match='are no so101_interfaces/msg/Step'):
        step_from_cdr(whole[:cut])


@pytest.mark.slow
@settings(deadline=None)  # the first message of a type loads its library
@given(any_step(), st.binary(min_size=4, max_size=9))
def test_additional_bytes_raise_one_sentence(step, more):
    with pytest.raises(CellError, match='bytes follow its end'):
        step_from_cdr(step_to_cdr(step) + more)


@pytest.mark.slow
@settings(deadline=None)  # the first message of a type loads its library
@given(any_step(), st.data())
def test_changed_bytes_raise_one_sentence_or_give_another_step(step, data):
    changed = bytearray(step_to_cdr(step))
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), min_size=1, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    try:
        step_from_cdr(bytes(changed))
    except CellError:
        pass


@settings(deadline=None)  # the first message of a type loads its library
@given(st.binary(max_size=300))
def test_other_bytes_raise_one_sentence(data):
    for read in (step_from_cdr, task_from_cdr):
        with pytest.raises(CellError):
            read(data)


def test_a_task_survives_its_bytes_and_rclpy_reads_the_same(schema):
    data = task_to_cdr(schema)
    assert task_from_cdr(data) == (schema, '')
    message = deserialize_message(data, Task)
    assert (message.name, message.schema_hash) == (schema.name, schema.hash)
    assert message.schema == schema.to_json()
    assert task_from_cdr(serialize_message(message)).schema == schema


def test_a_step_and_a_task_recorded_before_the_run_id_are_read_with_an_empty_one(schema, tmp_path):
    step = replace(record(schema, 1), run_id='')
    older = bytes(step_to_cdr(step))[:-5]  # without the empty string at its end
    assert same(step_from_cdr(older), step)
    task = task_to_cdr(schema)
    assert task_from_cdr(task[:-5]) == (schema, '')
    assert task_from_cdr(task_to_cdr(schema, 'a1')).run_id == 'a1'
