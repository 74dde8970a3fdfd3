"""The bytes of a published policy: exact both ways, equal to rclpy's, or one sentence."""

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from rclpy.serialization import deserialize_message, serialize_message

from hilserl_core.policy.weights import PublishedPolicy, weights_from_cdr, weights_to_cdr
from so101_interfaces.msg import Weights
from so101_node.errors import CellError

ANY = st.builds(
    PublishedPolicy,
    stamp=st.integers(0, 2**31 * 10**9 - 1),
    version=st.integers(0, 2**32 - 1),
    env_steps=st.integers(0, 2**64 - 1),
    bundle=st.binary(max_size=50),
    run_id=st.text(st.characters(codec='ascii', exclude_characters='\0'), max_size=10),
)


@settings(deadline=None)  # the first message of a type loads its library
@given(ANY)
def test_a_policy_survives_its_bytes_and_rclpy_reads_and_writes_the_same(published):
    data = weights_to_cdr(published)
    assert weights_from_cdr(data) == published
    message = Weights(version=published.version, env_steps=published.env_steps)
    message.data, message.run_id = array('B', published.bundle), published.run_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(published.stamp, 10**9)
    assert deserialize_message(data, Weights) == message
    assert weights_from_cdr(serialize_message(message)) == published


@given(ANY, st.data())
def test_truncated_bytes_raise_one_sentence(published, data):
    whole = weights_to_cdr(published)
    with pytest.raises(CellError, match='are no so101_interfaces/msg/Weights'):
        weights_from_cdr(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=100))
def test_other_bytes_raise_one_sentence(data):
    with pytest.raises(CellError):
        weights_from_cdr(data)
