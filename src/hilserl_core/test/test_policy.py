"""Bundles are complete or refused; a policy stacks images as the replay does."""

import dataclasses
import hashlib

from core_support.policies import observation, repacked
import numpy as np
import pytest
import safetensors.torch
import torch

from hilserl_core.policy.bundle import Bundle, pack
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from so101_node.errors import CellError


def make_bundle(schema, stack=1, version=3):
    torch.manual_seed(0)
    network = NetworkConfig(frame_stack=stack, hidden=32)
    encoder = Encoder(schema, network)
    actor = Actor(encoder.size, schema, network)
    return pack(schema, network, encoder, actor, version, 10, 20), encoder, actor


def test_bundle_gives_the_action_of_the_networks_it_was_made_from(schema):
    data, encoder, actor = make_bundle(schema)
    policy = Policy.from_bytes(data, schema.hash)
    assert (policy.version, policy.updates, policy.env_steps) == (3, 10, 20)
    images, state = observation(np.random.default_rng(0), schema)
    with torch.no_grad():
        expected = actor(
            encoder([torch.from_numpy(i[None]) for i in images]), torch.from_numpy(state[None])
        )
    action = policy.act(images, state, 0.0, None)
    assert action.dtype == np.float32 and action.shape == (4,)
    np.testing.assert_allclose(action, expected[0], atol=1e-6)


def test_sigma_adds_noise_of_that_size_and_clips(schema):
    policy = Policy.from_bytes(make_bundle(schema)[0])
    rng = np.random.default_rng(0)
    images, state = observation(rng, schema)
    mean = policy.act(images, state, 0.0, rng)
    noise = np.array([policy.act(images, state, 0.05, rng) - mean for _ in range(200)])
    assert 0.04 < noise.std() < 0.06
    loud = np.array([policy.act(images, state, 2.0, rng) for _ in range(50)])
    assert np.abs(loud).max() == 1.0


def test_history_starts_with_the_first_image_of_the_episode(schema):
    policy = Policy.from_bytes(make_bundle(schema, stack=3)[0])
    rng = np.random.default_rng(0)
    (first, state), (second, _), (third, _) = (observation(rng, schema) for _ in range(3))
    alone = policy.act(first, state, 0.0, None)
    policy.act(second, state, 0.0, None)
    after = policy.act(third, state, 0.0, None)
    assert not np.allclose(alone, policy.act(first, state, 0.0, None), atol=1e-7)
    policy.reset()
    np.testing.assert_array_equal(alone, policy.act(first, state, 0.0, None))
    policy.act(second, state, 0.0, None)
    np.testing.assert_array_equal(after, policy.act(third, state, 0.0, None))


@pytest.mark.parametrize('stack', [1, 3])
def test_preparing_images_changes_no_action(schema, stack):
    data = make_bundle(schema, stack=stack)[0]
    plain, ahead = Policy.from_bytes(data), Policy.from_bytes(data)
    rng = np.random.default_rng(0)
    encoded = []
    ahead.encoder.register_forward_hook(lambda *_: encoded.append(1))
    for number in range(8):
        images, state = observation(rng, schema)
        if number in (2, 5):  # the frame that came after all; an episode that began meanwhile
            ahead.prepare(observation(rng, schema)[0] if number == 2 else images)
        if number == 5:
            plain.reset()
            ahead.reset()
        elif number != 2:
            ahead.prepare(images)
        np.testing.assert_array_equal(
            plain.act(images, state, 0.0, None), ahead.act(images, state, 0.0, None)
        )
    assert len(encoded) == 8 + 2


def test_another_schema_is_refused(schema):
    data = make_bundle(schema)[0]
    other = dataclasses.replace(schema, rate=20.0)
    with pytest.raises(CellError, match='this cell runs schema ' + other.hash[:8]):
        Policy.from_bytes(data, other.hash)


@pytest.mark.parametrize('cut', [0, 4, 100, 5000, -1])
def test_a_bundle_cut_short_is_refused(schema, cut):
    with pytest.raises(CellError, match='damaged'):
        Policy.from_bytes(make_bundle(schema)[0][:cut])


def test_any_changed_byte_of_the_weights_is_refused(schema):
    data = bytearray(make_bundle(schema)[0])
    data[-1000] ^= 1
    with pytest.raises(CellError, match='damaged'):
        Policy.from_bytes(data)


def test_weights_are_loaded_strictly(schema):
    data = make_bundle(schema)[0]
    name = 'actor.policy.0.weight'
    assert Policy.from_bytes(repacked(data, lambda t: None)).version == 3
    for change, words in (
        (lambda t: t.pop(name), f'{name} is missing'),
        (lambda t: t.update({'actor.more': torch.zeros(1)}), 'actor.more is unknown'),
        (lambda t: t.update({name: torch.zeros(3, 3)}), r'is \(3, 3\), not'),
        (lambda t: t.update({name: t[name] * 1.5}), 'golden action is off'),
        (lambda t: t.update({name: t[name] * float('nan')}), 'golden action is off'),
    ):
        with pytest.raises(CellError, match=words):
            Policy.from_bytes(repacked(data, change))


def test_a_file_of_another_format_is_refused():
    data = safetensors.torch.save({'x': torch.zeros(1)}, metadata={'format': 'pt'})
    with pytest.raises(CellError, match="format 'pt'"):
        Policy.from_bytes(data)


def test_an_older_policy_is_refused(schema):
    data = make_bundle(schema, version=3)[0]
    assert Policy.from_bytes(data, schema.hash, newer_than=2).version == 3
    with pytest.raises(CellError, match='version 3 is older than version 7, which is active'):
        Policy.from_bytes(data, schema.hash, newer_than=7)


def test_half_precision_halves_the_bundle_and_keeps_its_golden_action(schema):
    whole, encoder, actor = make_bundle(schema)
    half = pack(schema, NetworkConfig(hidden=32), encoder, actor, 3, 10, 20, half=True)
    assert len(half) < 0.55 * len(whole)
    a, b = Policy.from_bytes(whole), Policy.from_bytes(half, schema.hash)
    rng = np.random.default_rng(0)
    for _ in range(20):
        images, state = observation(rng, schema)
        np.testing.assert_allclose(
            a.act(images, state, 0.0, None), b.act(images, state, 0.0, None), atol=5e-3
        )
    golden = [Bundle.from_bytes(data).tensors['golden.action'] for data in (whole, half)]
    assert 0.0 < float((golden[0] - golden[1]).abs().max()) < 1e-3


def test_weights_stay_float32_if_half_precision_changes_the_action_too_much(schema):
    _, encoder, actor = make_bundle(schema)
    with torch.no_grad():
        first, _, second, *_ = encoder.cameras[0]
        first.weight *= 1e6  # past what half precision can say
        second.weight *= 1e-6
    data = pack(schema, NetworkConfig(hidden=32), encoder, actor, 3, 10, 20, half=True)
    tensors = Bundle.from_bytes(data).tensors
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert Policy.from_bytes(data).version == 3


def test_halving_twice_gives_the_same_weights(schema):
    """What was rounded once is not changed by going out again."""
    _, encoder, actor = make_bundle(schema)
    network = NetworkConfig(hidden=32)
    data = pack(schema, network, encoder, actor, 1, 0, 0, half=True)
    policy = Policy.from_bytes(data)
    again = pack(schema, network, policy.encoder, policy.actor, 2, 0, 0, half=True)
    first, second = (Bundle.from_bytes(d).tensors for d in (data, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_policy_knows_the_digest_of_its_bytes(schema):
    data = make_bundle(schema)[0]
    assert Policy.from_bytes(data).sha256 == hashlib.sha256(data).hexdigest()
