"""DrQ-v2 (Yarats et al. 2021, arXiv:2107.09645): one update on one batch.

As published: the actor's Q loss does not train the encoder, clipped double Q, noise-smoothed
targets, independent random shifts of both observations. `config.py` lists what may differ from the
published configuration. With more than two critics it is REDQ (Chen et al. 2021): the smallest Q
of a random pair in the target, the mean for the actor. A discrete gripper has a critic of its own
(`grasp_critic.py`); actor and critics then handle the arm's action only.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
import operator

import torch
from torch.nn import functional as F

from hilserl_core.contract.task import TaskSchema

from ..replay.batch import Batch
from .config import AgentConfig
from .cuda_graph import Body, GraphedUpdate, Scalar, cuda_graph
from .grasp_critic import gripper_loss
from .trained_networks import CloneTarget, TrainedNetworks, cloned, gradient_norm

# Transitions encoded at a time on a CPU. With more, the activations are too large for glibc to
# reuse, and each update gets its memory from the kernel page by page.
MICRO_BATCH = 64


class Agent(TrainedNetworks):
    """The networks, and the optimisers and losses that train them."""

    CONFIG = AgentConfig
    config: AgentConfig

    def __init__(
        self,
        schema: TaskSchema,
        config: AgentConfig = AgentConfig(),
        device: str = 'cpu',
        seed: int = 0,
        log: Callable[[str], object] = lambda _: None,
    ):
        super().__init__(schema, config, device, seed, log)
        self._encoder_and_critic_parameters = [
            *(() if config.freeze_encoder else self.encoder.parameters()),
            *self.critic_parameters,
        ]
        self._actor_parameters: list[torch.Tensor] = list(self.actor.parameters())
        # one optimiser for encoder and critics: they share a loss and a learning rate
        self.critic_optimizer = self.adam(self._encoder_and_critic_parameters)
        self.actor_optimizer = self.adam(self._actor_parameters)
        self.loaded()

    def loaded(self) -> None:
        """Capture the CUDA graph again; needed after weights or optimisers were replaced."""
        self._graphed_update: GraphedUpdate | None = None
        if self.device.type == 'cuda' and self.config.graph:
            self._graphed_update = GraphedUpdate(
                self.eager_update,
                self._capture,
                self.device,
                self._log,
            )

    def _capture(self, body: Body) -> Body:
        state = self.generator.get_state()
        try:
            return cuda_graph(body, self.generator)
        except RuntimeError:
            # after a failed capture a generator can remain in capture mode
            self.generator = torch.Generator(self.device)
            self.generator.set_state(state)
            raise

    def update(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train critic, encoder, actor and critic target on one batch; returns detached scalars.

        bc: weight of cloning human actions. detailed: also compute gradient norms and action
        statistics. critic_only: train the critics, keep encoder and actor as they are. The call
        does not wait for the device.
        """
        return self._train(batch, sigma, bc, 1.0, detailed, critic_only)

    def pretrain(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train on demonstrations: the actor clones them, the critics learn the actor's Q."""
        return self._train(batch, sigma, bc, self.pretrain_q_weight, detailed, critic_only)

    def _train(
        self,
        batch: Batch,
        sigma: float,
        bc: float,
        q_weight: float,
        detailed: bool,
        critic_only: bool,
    ) -> dict[str, torch.Tensor]:
        if self._graphed_update and not critic_only:
            return self._graphed_update(batch, sigma, bc, q_weight)
        return self.eager_update(batch.to(self.device), sigma, bc, detailed, critic_only, q_weight)

    def eager_update(
        self,
        batch: Batch,
        sigma: Scalar,
        bc: Scalar,
        detailed: bool,
        critic_only: bool = False,
        q_weight: Scalar = 1.0,
    ) -> dict[str, torch.Tensor]:
        """`update` without a CUDA graph, on a batch that is on the device already.

        q_weight: weight of Q in the actor's loss.
        """
        train_encoder = not (self.config.freeze_encoder or critic_only)
        trained = self._encoder_and_critic_parameters if train_encoder else self.critic_parameters
        images, next_images = self.shift(batch.images), self.shift(batch.next_images)
        batch = replace(batch, images=images, next_images=next_images)
        noise = self._noise(batch.action[:, self.arm], sigma)
        self.critic_optimizer.zero_grad(set_to_none=True)
        losses: list[torch.Tensor] = []
        gripper_losses: list[torch.Tensor] = []
        features: list[torch.Tensor] = []
        values: list[torch.Tensor] = []
        targets: list[torch.Tensor] = []
        clones: list[CloneTarget] = []
        count = cloned(self.clone_weight(batch, bc))
        size = MICRO_BATCH if self.device.type == 'cpu' else len(batch)
        for where, part in batch.parts(size):
            with torch.set_grad_enabled(train_encoder):
                encoded = self.encoder(part.images, self.conv_dtype)
            with torch.no_grad():
                next_encoded = self.encoder(part.next_images, self.conv_dtype)
            clone = self.clone_target(part, bc)
            loss, q, target = self.critic_loss(part, encoded, next_encoded, noise[where])
            share = len(part) / len(batch)
            losses.append(loss.detach() * share)
            if self.gripper and self.gripper_target:
                grasp_loss = gripper_loss(
                    self.gripper,
                    self.gripper_target,
                    part,
                    encoded,
                    next_encoded,
                    self.config,
                    bc,
                    self.head_dtype,
                    clone,
                )
                gripper_losses.append(grasp_loss.detach() * share)
                loss = loss + grasp_loss
            loss = loss * share
            if train_encoder and self.config.bc_encoder and self.clones:
                # the actor's own gradient of this comes with the actor's loss
                mean = self.actor(encoded, part.state, self.head_dtype)
                loss = loss + bc * self.cloning_loss(mean, clone, count)
            torch.autograd.backward(loss, inputs=trained)
            features.append(encoded.detach())
            values.append(q.detach())
            targets.append(target)
            clones.append(clone)
        self.step(self.critic_optimizer, trained)

        # `inputs`: the actor's loss must not add to the critic's gradients
        self.actor_optimizer.zero_grad(set_to_none=True)
        clone = CloneTarget(*map(torch.cat, zip(*clones)))
        actor_loss, action, bc_loss = self.actor_loss(
            batch, torch.cat(features), self._noise(noise, sigma), bc, clone, q_weight
        )
        if not critic_only:
            torch.autograd.backward(actor_loss, inputs=self._actor_parameters)
            self.step(self.actor_optimizer, self._actor_parameters)

        self.update_targets()
        with torch.no_grad():
            q, target = torch.cat(values), torch.cat(targets)
            metrics = {
                'critic_loss': _sum(losses),
                'actor_loss': actor_loss.detach(),
                'bc_loss': bc_loss.detach(),
                'q_mean': q.mean(),
                'q_max': q.max(),
                'target_mean': target.mean(),
                'td_error': (q - target).abs().mean(),
                'reward_mean': batch.reward.mean(),
                'human_share': batch.human.float().mean(),
            }
            if self.gripper:
                metrics['gripper_loss'] = _sum(gripper_losses)
            if detailed and not critic_only:
                metrics |= {
                    'critic_gradient_norm': gradient_norm(trained),
                    'actor_gradient_norm': gradient_norm(self._actor_parameters),
                    'action_norm': action.norm(dim=1).mean(),
                    'action_saturation': (action.abs() > 0.99).float().mean(),
                }
        return metrics

    def critic_loss(
        self,
        batch: Batch,
        features: torch.Tensor,
        next_features: torch.Tensor,
        noise: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns the squared error of all Qs to the n-step target, the first Q and the target.

        Q and target are (B, 1).
        """
        dtype = self.head_dtype
        with torch.no_grad():
            next_action = self._noisy(self.actor(next_features, batch.next_state, dtype), noise)
            value = self.smallest(
                self.critic_target(next_features, batch.next_state, next_action, dtype)
            )
            target = batch.reward[:, None] + batch.discount[:, None] * value
            target = target.clamp(self.config.target_low, self.config.target_high)
        values = self.critic(features, batch.state, batch.action[:, self.arm], dtype)
        return _sum([F.mse_loss(q, target) for q in values]), values[0], target

    def actor_loss(
        self,
        batch: Batch,
        features: torch.Tensor,
        noise: torch.Tensor,
        bc: Scalar,
        clone: CloneTarget,
        q_weight: Scalar = 1.0,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns the actor's loss, its mean action and the cloning loss.

        The loss is minus `q_weight` times the Q of the actor's noisy action (the smaller of two,
        the mean of more), plus `bc` times the cloning loss.
        """
        mean = self.actor(features, batch.state, self.head_dtype)
        values = self.critic(features, batch.state, self._noisy(mean, noise), self.head_dtype)
        bc_loss = self.cloning_loss(mean, clone, cloned(clone.weight))
        loss = bc * bc_loss - q_weight * self.value_for_actor(values).mean()
        return loss, mean.detach(), bc_loss

    def _noise(self, like: torch.Tensor, sigma: Scalar) -> torch.Tensor:
        noise = torch.empty_like(like).normal_(generator=self.generator) * sigma
        return noise.clamp_(-self.config.noise_clip, self.config.noise_clip)

    @staticmethod
    def _noisy(mean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        # the paper's truncated normal: the clamp changes the value, not the gradient
        action = mean + noise
        return action - action.detach() + action.detach().clamp(-1 + 1e-6, 1 - 1e-6)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers of a checkpoint, by name."""
        return {'critic': self.critic_optimizer, 'actor': self.actor_optimizer}


def _sum(losses: list[torch.Tensor]) -> torch.Tensor:
    return reduce(operator.add, losses)
