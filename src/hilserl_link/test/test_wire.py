"""What comes over the wire is of a known form and bounded, or refused in one sentence."""

import os

from hypothesis import given
from hypothesis import strategies as st
import msgspec
import numpy as np
import pytest

from hilserl_link import wire
from hilserl_link.policy_parts import PolicyPacker, PolicyParts
from so101_node.errors import CellError

MESSAGES = (
    wire.Hello(1, 'a', '{}', 'hash'),
    wire.Begin('id', 1),
    wire.Steps(1, [b'x', b'y']),
    wire.Ping(1.0),
    wire.HavePolicy(3),
    wire.Call(1, 'service', ['text', True, 5]),
)


@pytest.mark.parametrize('message', MESSAGES)
def test_messages_come_out_as_they_went_in(message):
    assert wire.from_arm(wire.encode(message)) == message
    with pytest.raises(CellError, match='no message of the link'):
        wire.from_learner(wire.encode(message))


@given(st.one_of(st.binary(max_size=100), st.text(max_size=20)))
def test_any_bytes_are_a_message_or_one_sentence(data):
    for decode in (wire.from_arm, wire.from_learner):
        try:
            decode(data)
        except CellError as error:
            assert 'no message of the link' in str(error)


def test_fields_of_another_type_are_refused():
    for value in (['Ping', 'soon'], ['Steps', 1, 'text'], ['Steps', -1.5, []], ['Other'], 7, {}):
        with pytest.raises(CellError, match='no message of the link'):
            wire.from_arm(msgspec.msgpack.encode(value))


@pytest.mark.parametrize('size', [0, 1, wire.CHUNK, 3 * wire.CHUNK + 5])
def test_a_policy_comes_in_parts(size):
    message, parts = os.urandom(size), PolicyParts()
    *before, last = PolicyPacker().parts_of(7, message)
    assert [parts.add(part) for part in before] == [None] * len(before)
    assert parts.add(last) == message
    assert all(len(part.part) <= wire.CHUNK for part in (*before, last))


def weights(step):
    rng = np.random.default_rng(0)
    found = rng.normal(0.0, 0.05, 20_001) + step * 1e-5 * rng.normal(0.0, 1.0, 20_001)
    return b'head' + found.astype(np.float16).tobytes()


def test_only_the_difference_from_the_policy_before_is_sent_and_nothing_is_lost():
    packer, parts, sizes = PolicyPacker(), PolicyParts(), []
    messages = [weights(0), weights(1), weights(2)[:-1], weights(3), weights(4)]
    for version, message in enumerate(messages):
        (part,) = packer.parts_of(version, message)
        assert parts.add(part) == message
        sizes.append(part.size / len(message))
    assert min(sizes[0], sizes[2], sizes[3]) > 0.8  # whole: another length than before
    assert max(sizes[1], sizes[4]) < 0.4
    with pytest.raises(CellError, match='a policy of another length'):
        PolicyParts().add(part)  # another connection does not have the one before


def test_a_new_policy_replaces_one_that_was_cut_off():
    parts = PolicyParts()
    first, *_ = PolicyPacker().parts_of(1, bytes(range(256)) * 2000)
    parts.add(first)
    (whole,) = PolicyPacker().parts_of(2, b'new')
    assert parts.add(whole) == b'new'


def test_parts_out_of_order_damaged_or_too_large_are_refused():
    with pytest.raises(CellError, match='out of order'):
        PolicyParts().add(wire.Policy(1, 100, 50, b'x'))
    with pytest.raises(CellError, match='over the limit'):
        PolicyParts().add(wire.Policy(1, wire.MAX_POLICY + 1, 0, b'x'))
    with pytest.raises(CellError, match='over the limit'):
        PolicyParts().add(wire.Policy(1, 2, 0, b'longer than it says'))
    with pytest.raises(CellError, match='damaged'):
        PolicyParts().add(wire.Policy(1, 4, 0, b'none'))
