"""The policy as a file (the bundle), and as the object that the actor runs.

A bundle is a safetensors file with everything an actor needs: encoder and actor weights, the
task's schema, the network's configuration, and the golden action: the policy's action for a fixed
observation. Loading is strict. It refuses a tensor that is missing, unknown or of another shape.
It also refuses a policy that does not compute its golden action.
"""

from collections import deque
import copy
from dataclasses import dataclass
import hashlib
import json
import struct

import numpy as np
from safetensors import SafetensorError
import safetensors.torch
import torch
from torch import nn

from so101_node.errors import CellError

from ..contract.task import TaskSchema
from .network_config import NetworkConfig
from .networks import Actor, Encoder, Gripper

FORMAT = 'hilserl-policy-2'
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

    @classmethod
    def from_bytes(cls, data: bytes) -> 'Bundle':
        """Parse and check the digest; CellError if the bytes are no bundle or damaged."""
        data = bytes(data)  # a message's field is an array of another type
        metadata = safetensors_metadata(data)
        if metadata.get('format') != FORMAT:
            raise CellError(
                f'policy bundle has format {metadata.get("format")!r}, this version reads '
                f"{FORMAT!r}; use a bundle that this version's learner wrote"
            )
        try:
            tensors = safetensors.torch.load(data)
            numbers = {key: int(metadata[key]) for key in ('version', 'updates', 'env_steps')}
            digest = metadata['digest']
            schema, network = metadata['schema'], metadata['network']
        except (SafetensorError, KeyError, ValueError) as error:
            raise CellError(f'policy bundle is damaged: {error}') from error
        if tensors_digest(tensors) != digest:
            raise CellError('policy bundle is damaged: its tensors do not match their digest')
        return cls(
            TaskSchema.from_json(schema),
            NetworkConfig.from_json(network),
            **numbers,
            tensors=tensors,
            sha256=hashlib.sha256(data).hexdigest(),
        )


class Policy:
    """A loaded policy with its own frame stack. Not thread-safe."""

    def __init__(self, bundle: Bundle):
        self.schema, self.network = bundle.schema, bundle.network
        self.version, self.updates, self.env_steps, self.sha256 = (
            bundle.version,
            bundle.updates,
            bundle.env_steps,
            bundle.sha256,
        )
        self.encoder = Encoder(self.schema, self.network)
        self.actor = Actor(self.encoder.size, self.schema, self.network)
        self.gripper = (
            Gripper(self.encoder.size, self.schema, self.network)
            if (self.network.gripper == 'discrete')
            else None
        )
        self._load(bundle.tensors)
        for module in self.modules().values():
            module.requires_grad_(False).eval()
        golden = bundle.tensors['golden.action']
        error = float((_golden(self.modules(), self.schema, self.network) - golden).abs().max())
        if not error <= GOLDEN_TOLERANCE:
            raise CellError(
                f'policy version {self.version}: its golden action is off by {error:.3g} (limit '
                f'{GOLDEN_TOLERANCE:g}); the weights are from another version of the code'
            )
        self._history: deque[list[np.ndarray]] = deque(maxlen=self.network.frame_stack)
        self._prepared: tuple[list[np.ndarray], torch.Tensor] | None = None  # images, features

    @classmethod
    def from_bytes(
        cls, data: bytes, schema_hash: str | None = None, newer_than: int = -1
    ) -> 'Policy':
        """Load a bundle strictly; CellError if it is damaged or does not fit.

        The bundle must be newer than version `newer_than`.
        """
        bundle = Bundle.from_bytes(data)
        if bundle.version <= newer_than:
            raise CellError(
                f'policy version {bundle.version} is older than version {newer_than}, which '
                'is active; the learner that published it has an older state'
            )
        if schema_hash is not None and bundle.schema.hash != schema_hash:
            raise CellError(
                f'policy version {bundle.version} is for task {bundle.schema.name} with schema '
                f'{bundle.schema.hash[:8]}, but this cell runs schema {schema_hash[:8]}'
            )
        return cls(bundle)

    def modules(self) -> dict[str, torch.nn.Module]:
        """The networks of a bundle, by name."""
        found = {'encoder': self.encoder, 'actor': self.actor, 'gripper': self.gripper}
        return {part: module for part, module in found.items() if module is not None}

    def _load(self, tensors: dict[str, torch.Tensor]) -> None:
        expected = {
            f'{part}.{name}': tensor
            for part, module in self.modules().items()
            for name, tensor in module.state_dict().items()
        }
        numbers = len(self.schema.action_names) + (2 if self.gripper else 0)
        expected['golden.action'] = torch.empty(1, numbers)
        wrong = [f'{name} is missing' for name in expected if name not in tensors]
        wrong += [f'{name} is unknown' for name in tensors if name not in expected]
        wrong += [
            f'{name} is {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}'
            for name, tensor in expected.items()
            if name in tensors and tensors[name].shape != tensor.shape
        ]
        if wrong:
            raise CellError(
                f'policy version {self.version} does not fit its own network configuration: '
                + '; '.join(wrong)
            )
        with torch.no_grad():
            for name, tensor in expected.items():
                tensor.copy_(tensors[name])

    def reset(self) -> None:
        """Clear the frame stack at the start of an episode."""
        self._history.clear()
        self._prepared = None

    def continue_from(self, previous: 'Policy') -> None:
        """Copy the frame stack of `previous`, to replace it during an episode."""
        self._history.extend(previous._history)

    def prepare(self, images: list[np.ndarray]) -> None:
        """Encode images in advance. `act` is faster if it gets the same arrays next."""
        self._prepared = (
            images,
            self._encode([*self._history, images][-self.network.frame_stack :]),
        )

    def _encode(self, frames: list[list[np.ndarray]]) -> torch.Tensor:
        frames = [frames[0]] * (self.network.frame_stack - len(frames)) + frames
        with torch.no_grad():
            return self.encoder(
                [
                    torch.from_numpy(
                        np.concatenate([frame[camera] for frame in frames], axis=2)[None]
                    )
                    for camera in range(len(self.schema.cameras))
                ]
            )

    def act(
        self, images: list[np.ndarray], state: np.ndarray, sigma: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Action (A,) float32 in [-1, 1] for the current observation.

        images: one (H, W, 3) uint8 a camera, in the schema's order; state: (S,). With sigma 0 the
        action is the mean. Otherwise Gaussian noise of standard deviation sigma is added, and
        the sum is clipped. For a discrete gripper the sum is rounded, so that the small noise
        of a trained policy does not move it.
        """
        if self._prepared is None or any(a is not b for a, b in zip(images, self._prepared[0])):
            self.prepare(images)
        assert self._prepared is not None
        features, self._prepared = self._prepared[1], None
        self._history.append(images)
        batch = torch.from_numpy(np.asarray(state, np.float32)[None])
        action = heads(self.modules(), features, batch)[0].numpy()
        if self.gripper:
            action = np.append(action[:-3], action[-3:].argmax() - 1.0)
        if sigma > 0.0:
            action = action + sigma * rng.standard_normal(action.shape)
            if self.gripper:
                action[-1] = np.rint(action[-1])
        return np.clip(action, -1.0, 1.0).astype(np.float32)


def heads(modules: dict[str, torch.nn.Module], features, state) -> torch.Tensor:
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
) -> bytes:
    """Make a bundle of these networks. They may be on any device.

    half: store weights in half precision if that changes the golden action by less than 1e-3.
    """
    # copy to the CPU, because the actor computes the golden action on a CPU
    modules: dict[str, nn.Module] = {
        part: copy.deepcopy(module).cpu()
        for part, module in (('encoder', encoder), ('actor', actor), ('gripper', gripper))
        if module is not None
    }
    dtype, golden = torch.float32, _golden(modules, schema, network)
    if half:
        rounded = copy.deepcopy(modules)
        for weight in (p for module in rounded.values() for p in module.parameters()):
            weight.data = weight.data.half().float()
        action = _golden(rounded, schema, network)
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
            'schema': schema.canonical(),
            'network': network.to_json(),
            'version': str(version),
            'updates': str(updates),
            'env_steps': str(env_steps),
            'digest': tensors_digest(tensors),
        },
    )


def _golden(modules: dict[str, torch.nn.Module], schema, network) -> torch.Tensor:
    images, state = golden_inputs(schema, network)
    with torch.no_grad():
        return heads(modules, modules['encoder'](images), state)


def golden_inputs(schema: TaskSchema, network: NetworkConfig):
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


def safetensors_metadata(data: bytes) -> dict[str, str]:
    """Read the metadata in the header; CellError if the bytes are not a safetensors file."""
    try:
        (length,) = struct.unpack_from('<Q', data)
        if length > len(data) - 8:
            raise ValueError(f'header of {length} bytes in a file of {len(data)}')
        return json.loads(data[8 : 8 + length])['__metadata__']
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise CellError(f'policy bundle is damaged: {error}') from error


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        digest.update(tensor.flatten().numpy().data.cast('B'))
    return digest.hexdigest()
