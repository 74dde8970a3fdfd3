"""The bundle: a policy as a file.

A bundle is a safetensors file with everything an actor needs: encoder and actor weights, the
task's schema, the network's configuration, and the golden action: the policy's action for a fixed
observation.
"""

from collections.abc import Mapping
import copy
from dataclasses import dataclass
import hashlib

import numpy as np
from safetensors import SafetensorError
import safetensors.torch
import torch
from torch import nn

from so101_node.errors import CellError

from ..contract.task import TaskSchema
from .checkpoint_names import MAX_POLICY
from .network_config import NetworkConfig
from .networks import Actor, Encoder, Gripper
from .safetensors_header import FORMAT, bundle_metadata

DTYPES = (torch.float32, torch.float16)
GOLDEN_TOLERANCE = 1e-3  # of an action in [-1, 1]; processors differ by about 1e-6


@dataclass(frozen=True)
class Bundle:
    """A parsed bundle of a known format with a correct digest; its tensors are not checked yet."""

    schema: TaskSchema
    network: NetworkConfig
    version: int  # increases by one with each publication of a run
    updates: int
    env_steps: int
    tensors: dict[str, torch.Tensor]
    sha256: str  # of the bytes
    algorithm: str = ''  # package.module:Class that made it; '' if the file does not say it

    @classmethod
    def from_bytes(cls, data: bytes) -> 'Bundle':
        """Parse and check the digest; CellError if the bytes are no bundle or damaged."""
        data = bytes(data)  # a message's field is an array of another type
        if len(data) > MAX_POLICY:
            raise CellError(
                f'policy bundle has {len(data) / 1e6:,.0f} MB, over the limit of '
                f'{MAX_POLICY / 1e6:,.0f} MB'
            )
        metadata = bundle_metadata(data)
        try:
            tensors = safetensors.torch.load(data)
            numbers = {key: int(metadata[key]) for key in ('version', 'updates', 'env_steps')}
            digest = metadata['digest']
            schema, network = metadata['schema'], metadata['network']
        except (SafetensorError, KeyError, ValueError, MemoryError) as error:
            raise CellError(f'policy bundle is damaged: {str(error)[:200]}') from error
        for name, tensor in tensors.items():
            if tensor.dtype not in DTYPES:
                raise CellError(
                    f'policy bundle is damaged: {name[:80]} is of {tensor.dtype}, allowed are '
                    'float32 and float16'
                )
        if tensors_digest(tensors) != digest:
            raise CellError('policy bundle is damaged: its tensors do not match their digest')
        return cls(
            TaskSchema.from_json(schema),
            NetworkConfig.from_json(network),
            **numbers,
            tensors=tensors,
            algorithm=metadata.get('algorithm', ''),
            sha256=hashlib.sha256(data).hexdigest(),
        )


def heads(
    modules: Mapping[str, nn.Module], features: torch.Tensor, state: torch.Tensor
) -> torch.Tensor:
    """Mean action (B, A). A discrete gripper has three values, the Q of each choice."""
    with torch.no_grad():
        return torch.cat(
            [modules[part](features, state) for part in ('actor', 'gripper') if part in modules], 1
        )


def pack(
    schema: TaskSchema,
    network: NetworkConfig,
    encoder: Encoder,
    actor: Actor,
    version: int,
    updates: int,
    env_steps: int,
    gripper: Gripper | None = None,
    half: bool = False,
    algorithm: str = '',
) -> bytes:
    """Make a bundle of these networks. They may be on any device.

    half: store weights in half precision if that changes the golden action by less than 1e-3.
    algorithm: what trained them, for a learner that continues; an actor does not use it.
    """
    # copy to the CPU, because the actor computes the golden action on a CPU
    modules: dict[str, nn.Module] = {
        part: copy.deepcopy(module).cpu()
        for part, module in (('encoder', encoder), ('actor', actor), ('gripper', gripper))
        if module is not None
    }
    dtype, golden = torch.float32, golden_action(modules, schema, network)
    if half:
        rounded = copy.deepcopy(modules)
        for weight in (p for module in rounded.values() for p in module.parameters()):
            weight.data = weight.data.half().float()
        action = golden_action(rounded, schema, network)
        if float((action - golden).abs().max()) < GOLDEN_TOLERANCE:
            modules, golden, dtype = rounded, action, torch.float16
    tensors = {
        f'{part}.{name}': value.to(dtype).contiguous()
        for part, module in modules.items()
        for name, value in module.state_dict().items()
    }
    tensors['golden.action'] = golden
    return safetensors.torch.save(
        tensors,
        metadata={
            'format': FORMAT,
            'schema': schema.to_json(),
            'network': network.to_json(),
            'version': str(version),
            'updates': str(updates),
            'env_steps': str(env_steps),
            'digest': tensors_digest(tensors),
            **({'algorithm': algorithm} if algorithm else {}),
        },
    )


def golden_action(
    modules: Mapping[str, nn.Module], schema: TaskSchema, network: NetworkConfig
) -> torch.Tensor:
    """The action (1, A) of these networks for the fixed observation, as `heads` returns it."""
    images, state = golden_inputs(schema, network)
    with torch.no_grad():
        return heads(modules, modules['encoder'](images), state)


def golden_inputs(
    schema: TaskSchema, network: NetworkConfig
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The fixed observation of the golden action. It is noise, so that every weight matters."""
    rng = np.random.default_rng(7)
    images = [
        torch.from_numpy(
            rng.integers(0, 256, (1, c.out_height, c.out_width, 3 * network.frame_stack), np.uint8)
        )
        for c in schema.cameras
    ]
    state = rng.uniform(-1.0, 1.0, (1, len(schema.state_names))) * schema.state_scale
    return images, torch.from_numpy((state + schema.state_offset).astype(np.float32))


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        digest.update(tensor.flatten().numpy().data.cast('B'))
    return digest.hexdigest()
