"""Converts the weights of a DrQ-v2 snapshot to a policy bundle. It loads weights, never objects.

The published snapshot pickles whole objects, which are refused. Save its state dicts first:
`torch.save({"encoder": agent.encoder.state_dict(), "actor": agent.actor.state_dict()}, FILE)`.
The published networks differ in two ways. They flatten features channels first. They have no
state vector as input, so its weights start at zero.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
import pickle
import zipfile

from safetensors import SafetensorError
import safetensors.torch
import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.checkpoint_names import MAX_POLICY
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Actor, Encoder
from so101_node.errors import CellError
from so101_node.foreign_files import file_size

# what the parsers of a damaged file raise, depending on the place; RecursionError included
_DAMAGE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    MemoryError,
    NotImplementedError,
    SafetensorError,
)
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
    file_size(path, 'policy snapshot', MAX_POLICY, 'name a state dict or a .safetensors file')
    try:
        if path.suffix == '.safetensors':
            return safetensors.torch.load_file(path)
        with zipfile.ZipFile(path) as archive:  # its members may be compressed
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_POLICY:
            raise CellError(
                f'it unpacks to {size / 1e6:,.0f} MB, over the limit of {MAX_POLICY / 1e6:,.0f} MB'
            )
        data = torch.load(path, map_location='cpu', weights_only=True)
        return dict(_flat(data))
    except zipfile.BadZipFile as error:
        raise CellError(
            'it is no state dict that torch.save of torch 1.6 or later wrote'
        ) from error
    except pickle.UnpicklingError as error:
        raise CellError(
            'it holds pickled objects, which could run any code and are not loaded; save '
            'the state dicts of its encoder and actor, and give that file'
        ) from error
    except _DAMAGE as error:
        raise CellError(f'it cannot be read: {_short(error)}') from error


def _short(error: Exception) -> str:
    return ' '.join(str(error).split())[:200] or type(error).__name__


def _first(names: list[str]) -> str:
    shown = ', '.join(name[:80] for name in names[:20])
    return f'{shown} and {len(names) - 20} more' if len(names) > 20 else shown


def _flat(data: object, prefix: str = '') -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(data, torch.Tensor):
        yield prefix, data
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield from _flat(value, f'{prefix}.{name}' if prefix else str(name))


def convert(theirs: dict[str, torch.Tensor], schema: TaskSchema) -> tuple[bytes, list[str]]:
    """A bundle of version 0, and a line for each tensor. CellError lists those that do not fit."""
    try:
        return _convert(theirs, schema)
    except (RuntimeError, IndexError, TypeError, MemoryError) as error:
        raise CellError(f'its tensors do not fit the task: {_short(error)}') from error


def _convert(theirs: dict[str, torch.Tensor], schema: TaskSchema) -> tuple[bytes, list[str]]:
    missing = [name for name in KEYS if name not in theirs]
    if missing:
        raise CellError(
            f'{len(missing)} of {len(KEYS)} tensors are missing: {_first(missing)}; the file '
            f'has {_first(sorted(theirs)) or "none"}'
        )
    if len(schema.cameras) > 1:
        raise CellError(
            f'the snapshot has one camera, the task {schema.name} has {len(schema.cameras)}; give '
            'a task with one camera'
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
    lines += [
        f'{name[:80]}: not in a policy, left out' for name in sorted(set(theirs) - set(KEYS))[:20]
    ]
    return pack(schema, network, encoder, actor, 0, 0, 0), lines


def _channels_last(weight: torch.Tensor, channels: int, schema: TaskSchema) -> torch.Tensor:
    (camera,) = schema.cameras
    height, width = camera.out_height, camera.out_width
    for stride in (2, 1, 1, 1):
        height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
    return weight.view(-1, channels, height, width).permute(0, 2, 3, 1).flatten(1)
