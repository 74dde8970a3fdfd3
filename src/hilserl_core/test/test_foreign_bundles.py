"""Bundles that no learner wrote: each is refused in one sentence, within bounded memory."""

from contextlib import contextmanager
import json
import re
import resource
import struct

import pytest
import safetensors.torch
import torch

from hilserl_core.policy import bundle as bundle_module
from hilserl_core.policy.bundle import FORMAT, Bundle, pack, tensors_digest
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from hilserl_core.policy.safetensors_header import safetensors_metadata
from so101_node.errors import CellError


def make_bundle(schema):
    torch.manual_seed(0)
    network = NetworkConfig(hidden=32)
    encoder = Encoder(schema, network)
    actor = Actor(encoder.size, schema, network)
    return pack(schema, network, encoder, actor, 3, 10, 20), encoder, actor


def foreign_bundle(task, **changed):
    """A bundle whose metadata is not what `pack` writes."""
    bundle = Bundle.from_bytes(make_bundle(task)[0])
    metadata = {
        'format': FORMAT,
        'schema': task.canonical(),
        'network': bundle.network.to_json(),
        'version': '3',
        'updates': '1',
        'env_steps': '1',
        'digest': tensors_digest(bundle.tensors),
    }
    return safetensors.torch.save(bundle.tensors, metadata=metadata | changed)


def changed_schema(schema, change):
    data = json.loads(schema.canonical())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda d: d['cameras'][0].update(out_height=30_000), 'allowed are 1 to 1024'),
        (lambda d: d['cameras'][0].update(out_height=-3), 'allowed are 1 to 1024'),
        (lambda d: d['cameras'][0].update(out_height='64'), 'Expected int'),
        (lambda d: d.update(cameras=d['cameras'] * 1000), 'over the limit of 100,000'),
        (lambda d: d.update(cameras=d['cameras'] * 20), 'it has 20 cameras'),
        (lambda d: d.update(state_names=5), 'Expected array'),
        (lambda d: d.update(rate=float('nan')), 'malformed'),
        (lambda d: d.update(action_names=[]), 'it has no action_names'),
        (lambda d: d.update(name=None), 'Expected str'),
    ],
)
def test_a_bundle_with_an_absurd_schema_is_refused_before_memory_is_allocated(
    schema, change, words
):
    data = foreign_bundle(schema, schema=changed_schema(schema, change))
    with limited_memory(), pytest.raises(CellError, match=re.escape(words)):
        Policy.from_bytes(data)


@pytest.mark.parametrize('text', ['[' * 90_000, 'null', '[]', '', '{}', '"x"'], ids=range(6))
def test_a_schema_that_is_no_object_is_refused(schema, text):
    with pytest.raises(CellError, match='not a task schema'):
        Policy.from_bytes(foreign_bundle(schema, schema=text))


@pytest.mark.parametrize(
    'field, text',
    [
        ('network', NetworkConfig(hidden=8192, channels=512, bottleneck=1024).to_json()),
        ('network', '[' * 90_000),
        ('network', '{"hidden": 1e9}'),
        ('version', 'x'),
        ('version', '9' * 5000),
    ],
    ids=range(5),
)
def test_a_bundle_with_an_absurd_configuration_is_refused(schema, field, text):
    with limited_memory(), pytest.raises(CellError):
        Policy.from_bytes(foreign_bundle(schema, **{field: text}))


@pytest.mark.parametrize(
    'header',
    [
        b'{"__metadata__": 5}',
        b'{"__metadata__": {"format": 5}}',
        b'[' * 500_000,
        b'5',
        b'{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}, '
        b'"__metadata__": {"format": "%s"}}' % FORMAT.encode(),
        b' ' * 2_000_000 + b'{}',
    ],
    ids=range(6),
)
def test_a_hostile_safetensors_header_is_refused(header):
    data = struct.pack('<Q', len(header)) + header + bytes(100)
    with limited_memory(), pytest.raises(CellError, match='damaged') as error:
        Policy.from_bytes(data)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float64, torch.int64, torch.bool])
def test_a_tensor_of_another_type_is_refused(schema, dtype):
    bundle = Bundle.from_bytes(make_bundle(schema)[0])
    tensors = bundle.tensors | {'encoder.x': torch.zeros(2, dtype=dtype)}
    data = safetensors.torch.save(tensors, metadata=safetensors_metadata(make_bundle(schema)[0]))
    with pytest.raises(CellError, match=f'encoder.x is of {dtype}'):
        Policy.from_bytes(data)


def test_a_bundle_over_the_size_limit_is_refused(schema, monkeypatch):
    data = make_bundle(schema)[0]
    monkeypatch.setattr(bundle_module, 'MAX_POLICY', len(data) - 1)
    with pytest.raises(CellError, match='over the limit'):
        Policy.from_bytes(data)


@contextmanager
def limited_memory():
    """Lets this process allocate at most 1 GB more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open('/proc/self/statm', encoding='ascii') as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
