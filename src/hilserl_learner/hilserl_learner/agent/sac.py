"""SAC (Haarnoja et al. 2018, arXiv:1812.05905) on images: DrQ-v2's networks and replay.

The actor's mean is the policy that is published. Its standard deviation is learned beside it, by a
network of its own, and is used in updates only: on the arm, exploration has the run's `sigma`, as
with every algorithm. Targets have no entropy, so that they stay within the possible returns.
"""

from collections.abc import Callable
from dataclasses import replace
import math

import torch
from torch import nn
from torch.nn import functional as F

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.networks import Mlp, Trunk, orthogonal_init
from so101_node.errors import CellError

from ..replay.batch import Batch
from .config import SacConfig
from .trained_networks import TrainedNetworks, cloned, gradient_norm

NUMBERS = SacConfig()
LOG_STD = (-5.0, 0.0)  # bounds of the logarithm of the standard deviation, before tanh


class Spread(nn.Module):
    """Logarithm of the standard deviation (B, actions) of the action before tanh."""

    def __init__(self, features: int, schema: TaskSchema, config: SacConfig, actions: int):
        super().__init__()
        self.trunk = Trunk(features, schema, config.network)
        self.mlp = Mlp(self.trunk.size, config.network.hidden, actions, False)
        self.apply(orthogonal_init)

    def forward(self, features: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Return the logarithm, within its bounds."""
        low, high = LOG_STD
        found = torch.tanh(self.mlp(self.trunk(features, state)))
        return low + 0.5 * (high - low) * (found + 1.0)


class Temperature(nn.Module):
    """Weight of the entropy, learned as its logarithm."""

    def __init__(self, start: float):
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(start)))


class Agent(TrainedNetworks):
    """The networks, and the optimisers and losses that train them."""

    CONFIG = SacConfig
    config: SacConfig

    def __init__(
        self,
        schema: TaskSchema,
        config: SacConfig = NUMBERS,
        device: str = 'cpu',
        seed: int = 0,
        log: Callable[[str], object] = lambda _: None,
    ):
        if config.network.gripper == 'discrete':
            raise CellError('algorithm:=sac has no discrete gripper; use gripper=continuous')
        super().__init__(schema, config, device, seed, log)
        actions = len(schema.action_names)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.spread = Spread(self.encoder.size, schema, config, actions).to(self.device)
        self.temperature = Temperature(config.temperature).to(self.device)
        self.target_entropy = config.target_entropy * actions
        encoder = [] if config.freeze_encoder else [*self.encoder.parameters()]
        self._parameters: dict[str, list[torch.Tensor]] = {
            'critic': [*encoder, *self.critic_parameters],
            'actor': [*self.actor.parameters(), *self.spread.parameters()],
            'temperature': [*self.temperature.parameters()],
        }
        self._optimizers = {name: self.adam(found) for name, found in self._parameters.items()}

    def modules(self) -> dict[str, nn.Module]:
        """All networks of a checkpoint, by name."""
        return super().modules() | {'spread': self.spread, 'temperature': self.temperature}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers of a checkpoint, by name."""
        return dict(self._optimizers)

    def update(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train critic, encoder, actor and temperature on one batch; see `Algorithm`."""
        return self._train_on(batch, bc, 1.0, detailed, critic_only)

    def pretrain(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train on demonstrations: the actor clones them, the critics learn the actor's Q."""
        return self._train_on(batch, bc, self.pretrain_q_weight, detailed, critic_only)

    def _train_on(
        self, batch: Batch, bc: float, q_weight: float, detailed: bool, critic_only: bool
    ) -> dict[str, torch.Tensor]:
        config = self.config
        batch = batch.to(self.device)
        images, next_images = self.shift(batch.images), self.shift(batch.next_images)
        batch = replace(batch, images=images, next_images=next_images)
        trains_encoder = not (config.freeze_encoder or critic_only)
        with torch.set_grad_enabled(trains_encoder):
            encoded = self.encoder(batch.images, self.conv_dtype)
        with torch.no_grad():
            following = self.encoder(batch.next_images, self.conv_dtype)
            action, _ = self.sample(following, batch.next_state)
            value = self.smallest(self.critic_target(following, batch.next_state, action))
            target = batch.reward[:, None] + batch.discount[:, None] * value
            target = target.clamp(config.target_low, config.target_high)
        values = self.critic(encoded, batch.state, batch.action)
        critic_loss = torch.stack([F.mse_loss(q, target) for q in values]).sum()
        clone = self.clone_target(batch, bc)
        count = cloned(clone.weight)
        loss = critic_loss
        if trains_encoder and config.bc_encoder and self.clones:
            loss = loss + bc * self.cloning_loss(self.actor(encoded, batch.state), clone, count)
        trained = self._parameters['critic'] if trains_encoder else self.critic_parameters
        self._train('critic', loss, trained)

        encoded, temperature = encoded.detach(), self.temperature.log.exp()
        action, log_probability = self.sample(encoded, batch.state)
        q = self.value_for_actor(self.critic(encoded, batch.state, action))
        bc_loss = self.cloning_loss(self.actor(encoded, batch.state), clone, count)
        entropy = -log_probability.mean()
        actor_loss = bc * bc_loss - temperature.detach() * entropy - q_weight * q.mean()
        if not critic_only:
            self._train('actor', actor_loss, self._parameters['actor'])
            surplus = (entropy - self.target_entropy).detach()
            self._train('temperature', temperature * surplus, self._parameters['temperature'])
        self.update_targets()
        found = {
            'critic_loss': critic_loss,
            'actor_loss': actor_loss,
            'bc_loss': bc_loss,
            'q_mean': values[0].mean(),
            'q_max': values[0].max(),
            'target_mean': target.mean(),
            'td_error': (values[0] - target).abs().mean(),
            'reward_mean': batch.reward.mean(),
            'human_share': batch.human.float().mean(),
            'entropy': entropy,
            'temperature': temperature,
        }
        if detailed and not critic_only:
            found['critic_gradient_norm'] = gradient_norm(trained)
            found['actor_gradient_norm'] = gradient_norm(self._parameters['actor'])
        return {name: value.detach() for name, value in found.items()}

    def sample(
        self, features: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return actions (B, A) with their gradient, and the logarithm of their density (B,)."""
        mean = self.actor.policy(self.actor.trunk(features, state))
        log_std = self.spread(features, state)
        noise = torch.empty_like(mean).normal_(generator=self.generator)
        raw = mean + log_std.exp() * noise
        normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh(x)^2), without a difference of nearly equal numbers
        squashed = 2.0 * (math.log(2.0) - raw - F.softplus(-2.0 * raw))
        return torch.tanh(raw), (normal - squashed).sum(1)

    def _train(self, name: str, loss: torch.Tensor, parameters: list[torch.Tensor]) -> None:
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=parameters)
        self.step(optimizer, parameters)
