"""DrQ-v2's networks (Yarats et al. 2021, arXiv:2107.09645), with proprioception.

Images enter as uint8 with channels last, (B, H, W, 3 * frame_stack), oldest image first.
Only this module scales images and state. Features are flattened channels last, as they are in
memory. The published code flattens them channels first; `import_policy` converts the weights.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from so101_description.action_space import GRIPPER
from so101_node.errors import CellError

from ..contract.task import TaskSchema
from .network_config import NetworkConfig


class Encoder(nn.Module):
    """Four 3x3 convolutions for each camera. The features of all cameras are concatenated."""

    def __init__(self, schema: TaskSchema, config: NetworkConfig):
        super().__init__()
        self.cameras = nn.ModuleList()
        self.size = 0
        for camera in schema.cameras:
            layers, inputs = [], 3 * config.frame_stack
            height, width = camera.out_height, camera.out_width
            for stride in config.strides:
                layers += [nn.Conv2d(inputs, config.channels, 3, stride), nn.ReLU(inplace=True)]
                inputs = config.channels
                height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
            if min(height, width) < 1:
                raise CellError(
                    f'camera {camera.name}: {camera.out_width}x{camera.out_height} pixels are '
                    f'too few for strides {config.strides}'
                )
            self.cameras.append(nn.Sequential(*layers))
            self.size += config.channels * height * width
        self.apply(orthogonal_init)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, images: Sequence[torch.Tensor], dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Features (B, size) in `dtype`. images: one (B, H, W, C) uint8 tensor for each camera."""
        features = []
        for image, camera in zip(images, self.cameras):
            convs = cast(nn.Sequential, camera)
            # The scaling to -0.5..0.5 is applied to the first layer's weights, because they are
            # few. The pixels remain integers, which are exact in bfloat16.
            first: Any = convs[0]
            weight = (first.weight / 255.0).contiguous(memory_format=torch.channels_last)
            bias = first.bias - 0.5 * first.weight.sum((1, 2, 3))
            with torch.autocast(
                image.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16
            ):
                pixels = image.permute(0, 3, 1, 2).to(dtype)
                maps = convs[1:](F.conv2d(pixels, weight, bias, first.stride))
            features.append(maps.permute(0, 2, 3, 1).flatten(1))
        return features[0] if len(features) == 1 else torch.cat(features, 1)


class Trunk(nn.Module):
    """Image features after the bottleneck, concatenated with the scaled state: (B, size)."""

    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self, features: int, schema: TaskSchema, config: NetworkConfig):
        super().__init__()
        self.image = nn.Sequential(
            nn.Linear(features, config.bottleneck), nn.LayerNorm(config.bottleneck), nn.Tanh()
        )
        self.size = config.bottleneck + len(schema.state_names)
        # not persistent, because every bundle contains the schema
        self.register_buffer('offset', torch.tensor(schema.state_offset), persistent=False)
        self.register_buffer('scale', torch.tensor(schema.state_scale), persistent=False)

    def forward(self, features: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Return (B, bottleneck + states)."""
        linear, norm, tanh = self.image
        with torch.autocast(
            features.device.type, dtype=torch.bfloat16, enabled=features.dtype == torch.bfloat16
        ):
            image = linear(features)
        return torch.cat([tanh(norm(image.float())), (state - self.offset) / self.scale], 1)


def continuous(schema: TaskSchema, config: NetworkConfig) -> int:
    """The number of continuous action components, which actor and critic compute with.

    CellError for a discrete gripper of a task that has no gripper or no other axis.
    """
    if config.gripper != 'discrete':
        return len(schema.action_names)
    others = len(schema.action_names) - 1
    if schema.action_names[-1] != GRIPPER or not others:
        raise CellError(
            f'task {schema.name}: agent_options:=gripper=discrete needs a gripper and another '
            f'axis; the action has {", ".join(schema.action_names)}'
        )
    return others


class Actor(nn.Module):
    """Mean action in (-1, 1) from features and state, without a discrete gripper."""

    def __init__(self, features: int, schema: TaskSchema, config: NetworkConfig):
        super().__init__()
        self.trunk = Trunk(features, schema, config)
        self.policy = Mlp(self.trunk.size, config.hidden, continuous(schema, config), False)
        self.apply(orthogonal_init)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Return the mean action (B, actions) in [-1, 1]."""
        return torch.tanh(self.policy(self.trunk(features, state), dtype))


class Critic(nn.Module):
    """An ensemble of Q functions of features, state and action. The published number is two."""

    def __init__(self, features: int, schema: TaskSchema, config: NetworkConfig):
        super().__init__()
        self.trunk = Trunk(features, schema, config)
        inputs = self.trunk.size + continuous(schema, config)
        self._names = [f'q{i + 1}' for i in range(config.critics)]
        for name in self._names:
            self.add_module(name, Mlp(inputs, config.hidden, 1, config.critic_layer_norm))
        self.apply(orthogonal_init)

    def forward(
        self,
        features: torch.Tensor,
        state: torch.Tensor,
        action: torch.Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> list[torch.Tensor]:
        """Return the Q (B, 1) of each critic."""
        x = torch.cat([self.trunk(features, state), action], 1)
        return [self.get_submodule(name)(x, dtype) for name in self._names]


class Gripper(nn.Module):
    """Q (B, 3) of closing, holding and opening the gripper: HIL-SERL's grasp critic."""

    def __init__(self, features: int, schema: TaskSchema, config: NetworkConfig):
        super().__init__()
        self.trunk = Trunk(features, schema, config)
        self.q = Mlp(self.trunk.size, config.hidden, 3, config.critic_layer_norm)
        self.apply(orthogonal_init)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Return a Q for each gripper choice."""
        values: torch.Tensor = self.q(self.trunk(features, state), dtype)
        return values


class Mlp(nn.Sequential):
    """Two hidden layers, optionally normalised before their ReLU, computed in `dtype`.

    The last layer is computed in float32, because bfloat16 cannot distinguish Qs that differ by
    less than 0.4 %.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, layer_norm: bool):
        layers: list[nn.Module] = []
        for width in (inputs, hidden):
            layers.append(nn.Linear(width, hidden))
            if layer_norm:
                layers.append(nn.LayerNorm(hidden))
            layers.append(nn.ReLU())
        super().__init__(*layers, nn.Linear(hidden, outputs))

    def forward(self, x: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Compute in `dtype`, the last layer in float32."""
        *hidden, last = self
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            for layer in hidden:
                x = layer(x)
        result: torch.Tensor = last(x.float())
        return result


def orthogonal_init(module: nn.Module) -> None:
    """Published initialisation: orthogonal weights, zero biases."""
    if isinstance(module, nn.Linear):
        nn.init.orthogonal_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.orthogonal_(module.weight, nn.init.calculate_gain('relu'))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
