"""What comes over the wire is of a known form and bounded, or refused in one sentence."""

from hypothesis import given
from hypothesis import strategies as st
import msgspec
import pytest

from hilserl_link import wire
from hilserl_link.policy_parts import PolicyParts, parts_of
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
    import os

    message, parts = os.urandom(size), PolicyParts()
    *before, last = parts_of(7, message)
    assert [parts.add(part) for part in before] == [None] * len(before)
    assert parts.add(last) == message
    assert all(len(part.part) <= wire.CHUNK for part in (*before, last))


def test_a_new_policy_replaces_one_that_was_cut_off():
    parts = PolicyParts()
    first, *_ = parts_of(1, bytes(range(256)) * 2000)
    parts.add(first)
    (whole,) = parts_of(2, b'new')
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
