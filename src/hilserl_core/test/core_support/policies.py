"""Observations for a policy, and changed bundles."""

import numpy as np
import safetensors.torch

from hilserl_core.policy.bundle import FORMAT, Bundle, tensors_digest


def observation(rng, schema):
    return (
        [rng.integers(0, 256, c.shape, np.uint8) for c in schema.cameras],
        rng.uniform(-0.5, 0.5, 19).astype(np.float32),
    )


def repacked(data, change):
    """The bundle with other tensors and a digest that fits them."""
    bundle = Bundle.from_bytes(data)
    tensors = dict(bundle.tensors)
    change(tensors)
    return safetensors.torch.save(
        tensors,
        metadata={
            'format': FORMAT,
            'schema': bundle.schema.canonical(),
            'network': bundle.network.to_json(),
            'version': '3',
            'updates': '1',
            'env_steps': '1',
            'digest': tensors_digest(tensors),
        },
    )
