"""DrQ-v2 (Yarats et al. 2021, arXiv:2107.09645): one update on one batch.

Kept as published: encoder trained by the critic alone, actor on its detached features, clipped
double Q, noise-smoothed targets, exponential average on the critic only, independent random
shifts of both observations. What differs from the published configuration is in `AgentConfig`.
"""
from dataclasses import asdict, dataclass, field
import json

from so101_description.errors import CellError
import torch
from torch.nn import functional as F

from .networks import Actor, Critic, Encoder, NetworkConfig
from .replay import Batch
from .task import TaskSchema


@dataclass(frozen=True)
class AgentConfig:
    """Every number of the algorithm. Defaults: what learned best in the simulated cell."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    learning_rate: float = 3e-4     # published 1e-4, for runs a hundred times as long
    tau: float = 0.01               # published
    discount: float = 0.97          # HIL-SERL's; a success 100 steps away is still worth 0.05
    n_step: int = 3                 # published
    noise_clip: float = 0.3         # published
    shift: int = 4                  # published, pixels
    target_low: float = 0.0         # a 0/1 reward at the end: no return is outside 0 and 1,
    target_high: float = 1.0        # and a target outside is known to be wrong
    conv_dtype: str = 'bfloat16'    # on processors that have it; float32 elsewhere

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'AgentConfig':
        """Read it back; CellError if it is not one of this version."""
        try:
            data = json.loads(text)
            network = NetworkConfig.from_json(json.dumps(data.pop('network')))
            return cls(network=network, **data)
        except (ValueError, TypeError, KeyError) as error:
            raise CellError(f'this agent configuration is not of this version: {error}') from error


class Agent:
    """Networks, targets and optimisers on one device."""

    def __init__(
            self, schema: TaskSchema, config: AgentConfig = AgentConfig(), device: str = 'cpu',
            seed: int = 0):
        self.schema, self.config, self.device = schema, config, torch.device(device)
        if self.device.type == 'cuda' and not torch.cuda.is_available():
            raise CellError('device is cuda, and PyTorch finds no such device here; use cpu')
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(schema, config.network).to(self.device)
            features = self.encoder.size
            self.actor = Actor(features, schema, config.network).to(self.device)
            self.critic = Critic(features, schema, config.network).to(self.device)
            self.critic_target = Critic(features, schema, config.network).to(self.device)
        self.critic_target.load_state_dict(self.critic.state_dict())
        self.critic_target.requires_grad_(False)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.conv_dtype = torch.bfloat16 if (
            config.conv_dtype == 'bfloat16' and has_bfloat16(self.device)) else torch.float32
        self._critic_parameters = [*self.encoder.parameters(), *self.critic.parameters()]
        self._actor_parameters = list(self.actor.parameters())
        # one optimiser for encoder and critic: they share a loss, a rate and their steps
        self.critic_optimizer = torch.optim.Adam(
            self._critic_parameters, lr=config.learning_rate, fused=True)
        self.actor_optimizer = torch.optim.Adam(
            self._actor_parameters, lr=config.learning_rate, fused=True)
        self._averaged = (
            list(self.critic_target.parameters()), list(self.critic.parameters()))

    def update(self, batch: Batch, sigma: float) -> dict[str, torch.Tensor]:
        """One step of critic, encoder, actor and target. Returns detached scalars by name."""
        batch = batch.to(self.device)
        images = [self._shift(image) for image in batch.images]
        next_images = [self._shift(image) for image in batch.next_images]
        features = self.encoder(images, self.conv_dtype)
        with torch.no_grad():
            next_features = self.encoder(next_images, self.conv_dtype)

        critic_loss, metrics = self.critic_loss(batch, features, next_features, sigma)
        self._step(self.critic_optimizer, self._critic_parameters, critic_loss)

        actor_loss = self.actor_loss(batch, features.detach(), sigma)
        self._step(self.actor_optimizer, self._actor_parameters, actor_loss)

        with torch.no_grad():
            torch._foreach_lerp_(*self._averaged, self.config.tau)
        metrics['actor_loss'] = actor_loss.detach()
        metrics['human_share'] = batch.human.float().mean()
        return metrics

    def critic_loss(self, batch: Batch, features, next_features, sigma: float):
        """Squared error of both Qs to the n-step target; and what is worth watching."""
        with torch.no_grad():
            next_action = self._noisy(self.actor(next_features, batch.next_state), sigma)
            target_q1, target_q2 = self.critic_target(
                next_features, batch.next_state, next_action)
            value = torch.min(target_q1, target_q2)
            target = batch.reward[:, None] + batch.discount[:, None] * value
            target = target.clamp(self.config.target_low, self.config.target_high)
        q1, q2 = self.critic(features, batch.state, batch.action)
        loss = F.mse_loss(q1, target) + F.mse_loss(q2, target)
        return loss, {
            'critic_loss': loss.detach(), 'q_mean': q1.detach().mean(),
            'q_max': q1.detach().max(), 'target_mean': target.mean(),
            'reward_mean': batch.reward.mean()}

    def actor_loss(self, batch: Batch, features, sigma: float):
        """Minus the smaller Q of the actor's own, smoothed action."""
        action = self._noisy(self.actor(features, batch.state), sigma)
        return -torch.min(*self.critic(features, batch.state, action)).mean()

    def _noisy(self, mean, sigma: float):
        # the paper's truncated normal: clipped noise, and a clamp that lets gradients through
        noise = torch.empty_like(mean).normal_(generator=self.generator) * sigma
        action = mean + noise.clamp(-self.config.noise_clip, self.config.noise_clip)
        return action - action.detach() + action.detach().clamp(-1 + 1e-6, 1 - 1e-6)

    def _shift(self, images):
        return random_shift(images, self.config.shift, self.generator)

    @staticmethod
    def _step(optimizer, parameters, loss) -> None:
        optimizer.zero_grad(set_to_none=True)
        # only these parameters' gradients: the actor's loss needs none of the critic's
        loss.backward(inputs=parameters)
        optimizer.step()

    def modules(self) -> dict[str, torch.nn.Module]:
        """What a checkpoint holds, by name."""
        return {
            'encoder': self.encoder, 'actor': self.actor, 'critic': self.critic,
            'critic_target': self.critic_target}

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """What a checkpoint holds, by name."""
        return {'critic': self.critic_optimizer, 'actor': self.actor_optimizer}


def random_shift(images: torch.Tensor, pad: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each (H, W, C) uint8 image by up to `pad` pixels both ways, edges repeated.

    The published pad-and-crop for whole-pixel shifts, as an index gather without padding.
    """
    count, height, width, channels = images.shape
    device = images.device
    shifts = torch.randint(
        -pad, pad + 1, (2, count, 1), generator=generator, device=device)
    rows = (torch.arange(height, device=device) + shifts[0]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=device) + shifts[1]).clamp_(0, width - 1)
    rows = (rows + torch.arange(count, device=device)[:, None] * height).flatten()
    shifted = images.reshape(count * height, width * channels).index_select(0, rows)
    columns = columns[:, :, None] * channels + torch.arange(channels, device=device)
    columns = columns.view(count, 1, -1).expand(-1, height, -1)
    return shifted.view(count, height, -1).gather(2, columns).view(images.shape)


def has_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are faster here than in float32."""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported()
    capability = torch.cpu.get_capabilities()
    return bool(capability.get('avx512_bf16') or capability.get('amx_bf16')
                or capability.get('amx_tile'))
