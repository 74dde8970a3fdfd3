"""The policy as the object that the actor runs.

Loading is strict. It refuses a tensor that is missing, unknown or of another shape. It also
refuses a policy that does not compute its golden action.
"""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from so101_node.errors import CellError

from .bundle import GOLDEN_TOLERANCE, Bundle, golden_action, heads
from .networks import Actor, Encoder, Gripper

Image = npt.NDArray[np.uint8]


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
        with torch.device('meta'):  # no memory, until the bundle is known to have these shapes
            self._build()
        self._require_shapes(bundle.tensors)
        self._build()
        self._load(bundle.tensors)
        for module in self.modules().values():
            module.requires_grad_(False).eval()
        golden = bundle.tensors['golden.action']
        error = float(
            (golden_action(self.modules(), self.schema, self.network) - golden).abs().max()
        )
        if not error <= GOLDEN_TOLERANCE:
            raise CellError(
                f'policy version {self.version}: its golden action is off by {error:.3g} (limit '
                f'{GOLDEN_TOLERANCE:g}); the weights are from another version of the code'
            )
        self._history: deque[list[Image]] = deque(maxlen=self.network.frame_stack)
        self._prepared: tuple[list[Image], torch.Tensor] | None = None  # images, features

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

    def modules(self) -> dict[str, nn.Module]:
        """The networks of a bundle, by name."""
        found = {'encoder': self.encoder, 'actor': self.actor, 'gripper': self.gripper}
        return {part: module for part, module in found.items() if module is not None}

    def _build(self) -> None:
        self.encoder = Encoder(self.schema, self.network)
        self.actor = Actor(self.encoder.size, self.schema, self.network)
        self.gripper = (
            Gripper(self.encoder.size, self.schema, self.network)
            if (self.network.gripper == 'discrete')
            else None
        )

    def _weights(self) -> dict[str, torch.Tensor]:
        return {
            f'{part}.{name}': tensor
            for part, module in self.modules().items()
            for name, tensor in module.state_dict().items()
        }

    def _load(self, tensors: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in self._weights().items():
                tensor.copy_(tensors[name])

    def _require_shapes(self, tensors: dict[str, torch.Tensor]) -> None:
        expected = self._weights()
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
                + '; '.join(line[:150] for line in wrong[:10])
                + (f'; and {len(wrong) - 10} more' if len(wrong) > 10 else '')
            )

    def reset(self) -> None:
        """Clear the frame stack at the start of an episode."""
        self._history.clear()
        self._prepared = None

    def continue_from(self, previous: 'Policy') -> None:
        """Copy the frame stack of `previous`, to replace it during an episode."""
        self._history.extend(previous._history)

    def note(self, images: list[Image]) -> None:
        """Add the images of a step that a human decides to the frame stack."""
        self._prepared = None
        self._history.append(images)

    def prepare(self, images: list[Image]) -> None:
        """Encode images in advance. `act` is faster if it gets the same arrays next."""
        self._prepared = (
            images,
            self._encode([*self._history, images][-self.network.frame_stack :]),
        )

    def _encode(self, frames: list[list[Image]]) -> torch.Tensor:
        frames = [frames[0]] * (self.network.frame_stack - len(frames)) + frames
        with torch.no_grad():
            features: torch.Tensor = self.encoder(
                [
                    torch.from_numpy(
                        np.concatenate([frame[camera] for frame in frames], axis=2)[None]
                    )
                    for camera in range(len(self.schema.cameras))
                ]
            )
        return features

    def act(
        self,
        images: list[Image],
        state: npt.NDArray[np.float32],
        sigma: float,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float32]:
        """Action (A,) float32 in [-1, 1] for the current observation.

        images: one (H, W, 3) uint8 a camera, in the schema's order; state: (S,). With sigma 0 the
        action is the mean. Otherwise Gaussian noise of standard deviation sigma is added, and
        the sum is clipped. For a discrete gripper, of the networks or of the task, the sum is
        rounded, so that the small noise of a trained policy does not move it.
        """
        if self._prepared is None or any(a is not b for a, b in zip(images, self._prepared[0])):
            self.prepare(images)
        assert self._prepared is not None
        features, self._prepared = self._prepared[1], None
        self._history.append(images)
        batch = torch.from_numpy(np.asarray(state, np.float32)[None])
        action: npt.NDArray[np.floating[Any]] = heads(self.modules(), features, batch)[0].numpy()
        if self.gripper:
            action = np.append(action[:-3], action[-3:].argmax() - 1.0)
        if sigma > 0.0:
            action = action + sigma * rng.standard_normal(action.shape)
            if self.gripper:
                action[-1] = np.rint(action[-1])
        return self.schema.executed(action)
