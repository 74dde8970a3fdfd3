"""The detector's network: an encoder, the state, and a small head with one output."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Bundle
from hilserl_core.policy.checkpoint_names import MAX_POLICY, POLICY
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.network_config import NetworkConfig
from hilserl_core.policy.networks import Encoder, Trunk
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

HIDDEN = 64  # units; their values are the features that familiarity looks at
# From scratch: strides that leave few features, because there are few labelled episodes.
SCRATCH = NetworkConfig(channels=16, strides=(2, 2, 2, 2), bottleneck=50)


class SuccessNetwork(nn.Module):
    """The logit of success, and the features that it was made from.

    encoder: one that is trained already and stays as it is; None: a new one.
    """

    def __init__(self, schema: TaskSchema, config: NetworkConfig, encoder: Encoder | None = None):
        super().__init__()
        self.encoder = encoder.requires_grad_(False) if encoder else Encoder(schema, config)
        self.trunk = Trunk(self.encoder.size, schema, config)
        self.hidden = nn.Linear(self.trunk.size, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)

    def forward(
        self,
        images: Sequence[torch.Tensor],
        state: torch.Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B,) and features (B, HIDDEN), float32.

        images: (B, H, W, 3) uint8 for each camera; state: (B, S) float32. dtype: of the encoder.
        """
        features = F.relu(self.hidden(self.trunk(self.encoder(images, dtype), state)))
        return self.output(features)[:, 0], features


def read_encoder(path: Path, schema: TaskSchema) -> tuple[NetworkConfig, Encoder]:
    """Read the encoder of a policy bundle, or of a checkpoint (a directory).

    CellError if the file is none, or its images are not those of the task.
    """
    file = path / POLICY if path.is_dir() else path
    bundle = Bundle.from_bytes(read_bytes(file, 'policy', MAX_POLICY))
    if bundle.schema.cameras != schema.cameras:
        raise CellError(
            f'encoder {file} is for other images: {bundle.schema.cameras} there, '
            f'{schema.cameras} in the labelled episodes'
        )
    if bundle.network.frame_stack != 1:
        raise CellError(
            f'encoder {file} sees {bundle.network.frame_stack} frames at once; a success detector '
            'sees one; use a policy with frame_stack=1'
        )
    return replace(bundle.network, bottleneck=SCRATCH.bottleneck), Policy(bundle).encoder
