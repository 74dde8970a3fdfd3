"""A small agent: its configuration, a random batch, its parameters."""

import torch

from hilserl_core.policy.network_config import NetworkConfig
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.replay.batch import Batch

SMALL = AgentConfig(network=NetworkConfig(hidden=32, frame_stack=2), conv_dtype='float32')


def random_batch(schema, count=8, stack=2, number=0):
    generator = torch.Generator().manual_seed(number)

    def images():
        return (
            torch.randint(
                0, 256, (count, 64, 64, 3 * stack), dtype=torch.uint8, generator=generator
            ),
        )

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    return Batch(
        images=images(),
        state=normal(count, 19) * 0.3,
        action=normal(count, 4).clamp(-1, 1),
        reward=(normal(count) > 0).float(),
        discount=torch.full((count,), 0.97**3) * (torch.arange(count) > 2),
        next_images=images(),
        next_state=normal(count, 19) * 0.3,
        human=torch.arange(count) < 4,
    )


def parameters(agent):
    return {
        f'{part}.{name}': value.detach().clone()
        for part, module in agent.modules().items()
        if not part.startswith('ema_')
        for name, value in module.named_parameters()
    }
