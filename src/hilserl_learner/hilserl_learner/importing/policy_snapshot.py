"""Converts the weights of a DrQ-v2 snapshot to a policy bundle. It loads weights, never objects.

The published snapshot pickles whole objects, which are refused. Save its state dicts first:
`torch.save({"encoder": agent.encoder.state_dict(), "actor": agent.actor.state_dict()}, FILE)`.
The published networks differ in two ways. They flatten features channels first. They have no
state vector as input, so its weights start at zero.
"""

from collections.abc import Mapping
from pathlib import Path
import pickle

from safetensors import SafetensorError
import safetensors.torch
import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from so101_node.errors import CellError

# theirs -> ours
KEYS = {
    **{
        f'encoder.convnet.{i}.{kind}': f'encoder.cameras.0.{i}.{kind}'
        for i in (0, 2, 4, 6)
        for kind in ('weight', 'bias')
    },
    **{
        f'actor.trunk.{i}.{kind}': f'actor.trunk.image.{i}.{kind}'
        for i in (0, 1)
        for kind in ('weight', 'bias')
    },
    **{
        f'actor.policy.{i}.{kind}': f'actor.policy.{i}.{kind}'
        for i in (0, 2, 4)
        for kind in ('weight', 'bias')
    },
}
TRUNK, FIRST = 'actor.trunk.0.weight', 'actor.policy.0.weight'


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a safetensors file or a state dict; CellError if it is neither."""
    try:
        if path.suffix == '.safetensors':
            return safetensors.torch.load_file(path)
        data = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        raise CellError(f'{path} cannot be read: {error}') from error
    except pickle.UnpicklingError as error:
        raise CellError(
            f'{path} holds pickled objects, which could run any code and are not loaded; save '
            'the state dicts of its encoder and actor, and give that file'
        ) from error
    return dict(_flat(data))


def _flat(data, prefix=''):
    if isinstance(data, torch.Tensor):
        yield prefix, data
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield from _flat(value, f'{prefix}.{name}' if prefix else str(name))


def convert(theirs: dict[str, torch.Tensor], schema: TaskSchema) -> tuple[bytes, list[str]]:
    """A bundle of version 0, and a line for each tensor. CellError lists those that do not fit."""
    missing = [name for name in KEYS if name not in theirs]
    if missing:
        raise CellError(
            f'{len(missing)} of {len(KEYS)} tensors are missing: {", ".join(missing)}; the file '
            f'has {", ".join(sorted(theirs)) or "none"}'
        )
    first, states = theirs['encoder.convnet.0.weight'], len(schema.state_names)
    network = NetworkConfig(
        frame_stack=first.shape[1] // 3,
        channels=first.shape[0],
        strides=(2, 1, 1, 1),
        bottleneck=theirs[TRUNK].shape[0],
        hidden=theirs[FIRST].shape[0],
        critic_layer_norm=False,
    )
    encoder = Encoder(schema, network)
    actor = Actor(encoder.size, schema, network)
    ours = {
        f'{part}.{name}': value
        for part, module in (('encoder', encoder), ('actor', actor))
        for name, value in module.state_dict().items()
    }
    wrong, lines = [], []
    for name, target in KEYS.items():
        value, expected = theirs[name], tuple(ours[target].shape)
        note = ''
        if name == FIRST:
            value = torch.cat([value, value.new_zeros(len(value), states)], 1)
            note = f', {states} state columns at zero'
        if tuple(value.shape) != expected:
            wrong.append(f'{name} is {tuple(theirs[name].shape)}, {target} is {expected}')
            continue
        if name == TRUNK:
            value, note = _channels_last(value, network.channels, schema), ', channels last'
        with torch.no_grad():
            ours[target].copy_(value)
        lines.append(f'{name} -> {target} {expected}{note}')
    if wrong:
        raise CellError('shapes do not fit the task (theirs, then ours): ' + '; '.join(wrong))
    lines += [f'{name}: not in a policy, left out' for name in sorted(set(theirs) - set(KEYS))]
    return pack(schema, network, encoder, actor, 0, 0, 0), lines


def _channels_last(weight: torch.Tensor, channels: int, schema: TaskSchema) -> torch.Tensor:
    (camera,) = schema.cameras
    height, width = camera.out_height, camera.out_width
    for stride in (2, 1, 1, 1):
        height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
    return weight.view(-1, channels, height, width).permute(0, 2, 3, 1).flatten(1)
