"""DrQ-v2 (Yarats et al. 2021, arXiv:2107.09645): one update on one batch.

Kept as published: encoder trained by the critic alone, actor on its detached features, clipped
double Q, noise-smoothed targets, exponential average on the critic only, independent random
shifts of both observations. What may differ from the published configuration is in `algorithm`.
A discrete gripper has a critic of its own (`gripper.py`), and actor and critics go without it.
"""

from collections.abc import Callable
import copy
from dataclasses import fields, replace

import torch
from torch.nn import functional as F

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.networks import Actor, Critic, Encoder, Gripper, continuous
from so101_node.errors import CellError

from ..replay.buffer import Batch
from .config import AgentConfig
from .cuda_graph import Recorded, cuda_graph
from .grasp_critic import gripper_loss

# Transitions encoded at a time on a CPU. Activations of more leave the allocator's reach: each
# update then gets its memory from the kernel page by page.
MICRO_BATCH = 64


class Agent:
    """Networks, targets and optimisers on one device. `acting`: the policy's networks, by name,
    the learned ones or their average (`acting_tau`)."""

    def __init__(
        self,
        schema: TaskSchema,
        config: AgentConfig = AgentConfig(),
        device: str = 'cpu',
        seed: int = 0,
        log: Callable[[str], None] = lambda _: None,
    ):
        self.schema, self.config, self.device = schema, config, torch.device(device)
        self._log = log
        if self.device.type == 'cuda' and not torch.cuda.is_available():
            raise CellError('device is cuda, and PyTorch finds no such device here; use cpu')
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(schema, config.network).to(self.device)
            features = self.encoder.size
            self.actor = Actor(features, schema, config.network).to(self.device)
            self.critic = Critic(features, schema, config.network).to(self.device)
            self.critic_target = Critic(features, schema, config.network).to(self.device)
            self.gripper = self.gripper_target = None
            if config.network.gripper == 'discrete':
                self.gripper, self.gripper_target = (
                    Gripper(features, schema, config.network).to(self.device) for _ in range(2)
                )
        self.acting = {
            name: module
            for name, module in (
                ('encoder', self.encoder),
                ('actor', self.actor),
                ('gripper', self.gripper),
            )
            if module
        }
        self._learning = dict(self.acting)
        if config.acting_tau != '1':
            self.acting = {
                name: copy.deepcopy(module).requires_grad_(False)
                for name, module in self.acting.items()
            }
        self._averages = [(self.critic_target, self.critic)]
        if self.gripper:
            self._averages.append((self.gripper_target, self.gripper))
        for target, module in self._averages:
            target.load_state_dict(module.state_dict())
            target.requires_grad_(False)
        self.encoder.requires_grad_(not config.freeze_encoder)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        half = has_bfloat16(self.device)
        self.conv_dtype, self.head_dtype = (
            torch.bfloat16 if half and name == 'bfloat16' else torch.float32
            for name in (config.conv_dtype, config.head_dtype)
        )
        self._head_parameters = [p for _, module in self._averages for p in module.parameters()]
        self._critic_parameters = [
            *(() if config.freeze_encoder else self.encoder.parameters()),
            *self._head_parameters,
        ]
        self._actor_parameters = list(self.actor.parameters())
        # one optimiser for encoder and critics: they share a loss, a rate and their steps
        self.critic_optimizer, self.actor_optimizer = (
            torch.optim.Adam(
                parameters,
                lr=config.learning_rate,
                fused=True,
                capturable=self.device.type == 'cuda',
            )
            for parameters in (self._critic_parameters, self._actor_parameters)
        )
        self._averaged = tuple(
            [p for pair in self._averages for p in pair[which].parameters()] for which in (0, 1)
        )
        self._averaging = self.acting['actor'] is not self.actor
        self._acting, self._learned = (
            [p for module in modules.values() for p in module.parameters()]
            for modules in (self.acting, self._learning)
        )
        self._arm = slice(continuous(schema, config.network))
        self.restart()

    def restart(self) -> None:
        """After weights or optimisers were put in: record anew what a GPU replays."""
        self._recorded = None
        if self.device.type == 'cuda' and self.config.graph:
            self._recorded = Recorded(
                self._update, lambda body: cuda_graph(body, self.generator), self.device, self._log
            )

    def update(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        watch: bool = False,
        heads_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """One step of critic, encoder, actor and target. Returns detached scalars by name.

        `bc` weighs the cloning of human actions. `watch` adds what costs time to know.
        heads_only: critics learn, encoder and actor stay as they are. Nothing here waits for the
        device.
        """
        if self._recorded and not heads_only:
            return self._recorded(batch, sigma, bc)
        return self._update(on_device(batch, self.device), sigma, bc, watch, heads_only)

    def _update(
        self, batch: Batch, sigma, bc, watch: bool, heads_only: bool = False
    ) -> dict[str, torch.Tensor]:
        see = not (self.config.freeze_encoder or heads_only)
        learning = self._critic_parameters if see else self._head_parameters
        images = tuple(self._shift(image) for image in batch.images)
        next_images = tuple(self._shift(image) for image in batch.next_images)
        batch = replace(batch, images=images, next_images=next_images)
        noise = self._noise(batch.action[:, self._arm], sigma)
        self.critic_optimizer.zero_grad(set_to_none=True)
        losses, features, values, targets, gripper_losses = [], [], [], [], []
        for part, part_noise in self._parts(batch, noise):
            with torch.set_grad_enabled(see):
                encoded = self.encoder(part.images, self.conv_dtype)
            with torch.no_grad():
                next_encoded = self.encoder(part.next_images, self.conv_dtype)
            loss, q, target = self.critic_loss(part, encoded, next_encoded, part_noise)
            share = len(part.action) / len(batch.action)
            losses.append(loss.detach() * share)
            if self.gripper:
                gripping = gripper_loss(
                    self.gripper,
                    self.gripper_target,
                    part,
                    encoded,
                    next_encoded,
                    self.config,
                    bc,
                    self.head_dtype,
                )
                gripper_losses.append(gripping.detach() * share)
                loss = loss + gripping
            (loss * share).backward(inputs=learning)
            features.append(encoded.detach())
            values.append(q.detach())
            targets.append(target)
        self.critic_optimizer.step()

        # only the actor's gradients: its loss needs none of the critic's
        self.actor_optimizer.zero_grad(set_to_none=True)
        actor_loss, action, cloning = self.actor_loss(
            batch, torch.cat(features), self._noise(noise, sigma), bc
        )
        if not heads_only:
            actor_loss.backward(inputs=self._actor_parameters)
            self.actor_optimizer.step()

        with torch.no_grad():
            torch._foreach_lerp_(*self._averaged, self.config.tau)
            q, target = torch.cat(values), torch.cat(targets)
            metrics = {
                'critic_loss': sum(losses),
                'actor_loss': actor_loss.detach(),
                'bc_loss': cloning.detach(),
                'q_mean': q.mean(),
                'q_max': q.max(),
                'target_mean': target.mean(),
                'td_error': (q - target).abs().mean(),
                'reward_mean': batch.reward.mean(),
                'human_share': batch.human.float().mean(),
            }
            if self.gripper:
                metrics['gripper_loss'] = sum(gripper_losses)
            if watch and not heads_only:
                metrics |= {
                    'critic_gradient_norm': _norm(learning),
                    'actor_gradient_norm': _norm(self._actor_parameters),
                    'action_norm': action.norm(dim=1).mean(),
                    'action_saturation': (action.abs() > 0.99).float().mean(),
                }
        return metrics

    def critic_loss(self, batch: Batch, features, next_features, noise):
        """Squared error of the Qs to the n-step target; the first Q and the target, (B, 1)."""
        dtype = self.head_dtype
        with torch.no_grad():
            next_action = self._noisy(self.actor(next_features, batch.next_state, dtype), noise)
            value = self._smallest(
                self.critic_target(next_features, batch.next_state, next_action, dtype)
            )
            target = batch.reward[:, None] + batch.discount[:, None] * value
            target = target.clamp(self.config.target_low, self.config.target_high)
        values = self.critic(features, batch.state, batch.action[:, self._arm], dtype)
        return sum(F.mse_loss(q, target) for q in values), values[0], target

    def actor_loss(self, batch: Batch, features, noise, bc: float = 0.0):
        """Minus the smallest Q of the actor's own, smoothed action, plus `bc` times cloning.

        Also returns the mean action and the cloning loss: squared error to the actions of
        humans, over those alone.
        """
        mean = self.actor(features, batch.state, self.head_dtype)
        values = self.critic(features, batch.state, self._noisy(mean, noise), self.head_dtype)
        error = (mean - batch.action[:, self._arm]).square().mean(1)
        cloning = (error * batch.human).sum() / batch.human.sum().clamp(min=1)
        return bc * cloning - self._smallest(values).mean(), mean.detach(), cloning

    @staticmethod
    def _smallest(values):
        return torch.cat(values, 1).amin(1, keepdim=True)

    def _noise(self, like, sigma):
        noise = torch.empty_like(like).normal_(generator=self.generator) * sigma
        return noise.clamp_(-self.config.noise_clip, self.config.noise_clip)

    @staticmethod
    def _noisy(mean, noise):
        # the paper's truncated normal: clipped noise, and a clamp that lets gradients through
        action = mean + noise
        return action - action.detach() + action.detach().clamp(-1 + 1e-6, 1 - 1e-6)

    def _shift(self, images):
        return random_shift(images, self.config.shift, self.generator)

    def _parts(self, batch: Batch, noise):
        """The batch in pieces that fit the caches; on a GPU in one."""
        count = len(batch.action)
        size = MICRO_BATCH if self.device.type == 'cpu' else count
        for begin in range(0, count, size):
            part = slice(begin, begin + size)
            yield (
                Batch(
                    **{
                        f.name: tuple(image[part] for image in value)
                        if isinstance(value := getattr(batch, f.name), tuple)
                        else value[part]
                        for f in fields(batch)
                    }
                ),
                noise[part],
            )

    def modules(self) -> dict[str, torch.nn.Module]:
        """What a checkpoint holds, by name."""
        found = {
            'encoder': self.encoder,
            'actor': self.actor,
            'critic': self.critic,
            'critic_target': self.critic_target,
        }
        if self.gripper:
            found |= {'gripper': self.gripper, 'gripper_target': self.gripper_target}
        if self._averaging:
            found |= {f'acting_{name}': module for name, module in self.acting.items()}
        return found

    @torch.no_grad()
    def average(self, tau: float) -> None:
        """Move the policy that acts by a share `tau` towards the learned one."""
        if self._averaging:
            torch._foreach_lerp_(self._acting, self._learned, tau)

    def act_as_learned(self) -> None:
        """After weights were put in from elsewhere: the policy that acts is the one that learns."""
        for name, module in self.acting.items():
            module.load_state_dict(self._learning[name].state_dict())

    def optimizers(self) -> dict[str, torch.optim.Adam]:
        """What a checkpoint holds, by name."""
        return {'critic': self.critic_optimizer, 'actor': self.actor_optimizer}


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch there; from pinned memory it is copied while the processor goes on."""
    return batch if device.type == 'cpu' else batch.to(device)


def random_shift(images: torch.Tensor, pad: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each (H, W, C) uint8 image by up to `pad` pixels both ways, edges repeated.

    The published pad-and-crop for whole-pixel shifts, as a gather of pixels without padding.
    """
    count, height, width, channels = images.shape
    device = images.device
    shifts = torch.randint(-pad, pad + 1, (2, count, 1), generator=generator, device=device)
    rows = (torch.arange(height, device=device) + shifts[0]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=device) + shifts[1]).clamp_(0, width - 1)
    rows += torch.arange(count, device=device)[:, None] * height
    pixels = (rows[:, :, None] * width + columns[:, None]).flatten()
    return images.reshape(-1, channels).index_select(0, pixels).view(images.shape)


def has_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are faster here than in float32."""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported()
    capability = torch.cpu.get_capabilities()
    return bool(
        capability.get('avx512_bf16') or capability.get('amx_bf16') or capability.get('amx_tile')
    )


def _norm(parameters) -> torch.Tensor:
    """Length of the gradient of all these parameters."""
    return torch.stack(torch._foreach_norm([p.grad for p in parameters])).norm()
