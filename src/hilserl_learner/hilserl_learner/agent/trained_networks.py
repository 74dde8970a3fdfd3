"""The networks that the algorithms of this suite train, and the two averages that follow them.

The averages are the critic's target (`tau`) and the EMA policy (`ema_tau`), which is the policy
that is published and saved. A run that starts from an earlier policy keeps a copy of it, which
says what to clone where no human acted.
"""

from collections.abc import Callable, Mapping
import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import heads
from hilserl_core.policy.exploration import linear, schedule
from hilserl_core.policy.networks import Actor, Critic, Encoder, Gripper, continuous
from so101_node.errors import CellError

from ..replay.batch import Batch
from .algorithm import Algorithm
from .augmentation import random_shift
from .config import AlgorithmConfig
from .cuda_graph import Scalar
from .precision import has_bfloat16

START = 'start_'  # prefix of the names of the networks that a run started from


class CloneTarget(NamedTuple):
    """Which action (B, A) to clone in each transition, and with which weight (B,) of `bc`."""

    action: torch.Tensor
    weight: torch.Tensor


class TrainedNetworks(Algorithm):
    """Encoder, actor and critics with their targets on one device, initialised from a seed.

    `online_policy` and `ema_policy` hold the policy's networks by name: encoder, actor and, with a
    discrete gripper, gripper. With `ema_tau` 1 both are the same networks.
    """

    config: AlgorithmConfig

    def __init__(
        self,
        schema: TaskSchema,
        config: AlgorithmConfig,
        device: str = 'cpu',
        seed: int = 0,
        log: Callable[[str], object] = lambda _: None,
    ):
        self.schema, self.config, self._log = schema, config, log
        self.device = place = torch.device(device)
        if place.type == 'cuda' and not torch.cuda.is_available():
            raise CellError('device is cuda, and PyTorch finds no such device here; use cpu')
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(schema, config.network).to(place)
            features = self.encoder.size
            self.actor = Actor(features, schema, config.network).to(place)
            self.critic = Critic(features, schema, config.network).to(place)
            self.critic_target = Critic(features, schema, config.network).to(place)
            self.gripper: Gripper | None = None
            self.gripper_target: Gripper | None = None
            if config.network.gripper == 'discrete':
                self.gripper, self.gripper_target = (
                    Gripper(features, schema, config.network).to(place) for _ in range(2)
                )
        self.online_policy: dict[str, nn.Module] = {'encoder': self.encoder, 'actor': self.actor}
        if self.gripper:
            self.online_policy['gripper'] = self.gripper
        self._has_ema = config.ema_tau != '1'
        # Any: they are keyword arguments of `pack`, each of a class of its own
        self.ema_policy: dict[str, Any] = (
            _frozen(self.online_policy) if self._has_ema else {**self.online_policy}
        )
        self.start_policy: dict[str, nn.Module] = {}
        critics: dict[str, nn.Module] = {'critic': self.critic}
        targets: dict[str, nn.Module] = {'critic': self.critic_target}
        if self.gripper and self.gripper_target:
            critics['gripper'], targets['gripper'] = self.gripper, self.gripper_target
        for name, target in targets.items():
            target.load_state_dict(critics[name].state_dict())
            target.requires_grad_(False)
        self.encoder.requires_grad_(not config.freeze_encoder)
        self.critic_parameters = _parameters(critics)
        self._target_parameters = _parameters(targets)
        self._online_parameters = _parameters(self.online_policy)
        self._ema_parameters = _parameters(self.ema_policy)
        self.generator = torch.Generator(place).manual_seed(seed)
        half = has_bfloat16(place)
        self.conv_dtype, self.head_dtype = (
            torch.bfloat16 if half and name == 'bfloat16' else torch.float32
            for name in (config.conv_dtype, config.head_dtype)
        )
        self.arm = slice(continuous(schema, config.network))  # the actor's part of an action
        self.clones = schedule('bc', config.bc, 0.0, 1000.0) != linear(0.0, 0.0, 1.0)
        # Q in the actor's loss before the first step. Demonstrations say nothing of the Q of other
        # actions: an actor that follows it leaves them. Without cloning it has nothing else.
        self.pretrain_q_weight = 0.0 if self.clones else 1.0

    def modules(self) -> dict[str, nn.Module]:
        """All networks of a checkpoint, by name."""
        found: dict[str, nn.Module] = {
            'encoder': self.encoder,
            'actor': self.actor,
            'critic': self.critic,
            'critic_target': self.critic_target,
        }
        if self.gripper and self.gripper_target:
            found |= {'gripper': self.gripper, 'gripper_target': self.gripper_target}
        if self._has_ema:
            found |= {f'ema_{name}': module for name, module in self.ema_policy.items()}
        return found | {START + name: module for name, module in self.start_policy.items()}

    def policy(self) -> dict[str, Any]:
        """The EMA policy."""
        return self.ema_policy

    @torch.no_grad()
    def update_targets(self) -> None:
        """Move the critics' targets by the fraction `tau` towards the critics."""
        torch._foreach_lerp_(self._target_parameters, self.critic_parameters, self.config.tau)

    @torch.no_grad()
    def update_ema(self, tau: float) -> None:
        """Move the EMA policy by the fraction `tau` towards the online policy."""
        if self._has_ema:
            torch._foreach_lerp_(self._ema_parameters, self._online_parameters, tau)

    def start_from(self, policy: Mapping[str, nn.Module]) -> None:
        """Continue from the networks of another policy, by name; some may be missing."""
        super().start_from(policy)
        if self.gripper and self.gripper_target:
            self.gripper_target.load_state_dict(self.gripper.state_dict())
        for name, module in self.ema_policy.items():
            module.load_state_dict(self.online_policy[name].state_dict())

    def keep_start(self) -> None:
        """Keep a copy of the policy: it says what to clone where no human acted."""
        is_cloned = self.clones and self.config.bc_start > 0.0
        self.start_policy = _frozen(self.ema_policy) if is_cloned else {}

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Load what `state` returned, strictly; see `Algorithm`."""
        has_start = any(name.startswith(START) for name in tensors)
        self.start_policy = _frozen(self.ema_policy) if has_start else {}
        return super().load_state(tensors)

    # what their updates share

    def adam(self, parameters: list[torch.Tensor]) -> torch.optim.Adam:
        """Return an optimiser of these parameters."""
        cuda = self.device.type == 'cuda'
        return torch.optim.Adam(
            parameters, lr=self.config.learning_rate, fused=True, capturable=cuda
        )

    def step(self, optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> None:
        """Make an optimiser's step, with clipped gradients if the configuration says so."""
        if self.config.clip_gradient:
            torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_gradient, foreach=True)
        optimizer.step()

    def shift(self, images: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Shift each image at random."""
        return tuple(random_shift(image, self.config.shift, self.generator) for image in images)

    def smallest(self, values: list[torch.Tensor]) -> torch.Tensor:
        """The smallest Q (B, 1) of two critics, or of a random pair of more."""
        found = torch.cat(values, 1)
        if len(values) > 2:
            order = torch.rand(len(values), generator=self.generator, device=self.device)
            found = found[:, order.argsort()[:2]]
        return found.amin(1, keepdim=True)

    def value_for_actor(self, values: list[torch.Tensor]) -> torch.Tensor:
        """The Q that the actor raises: the smaller of two, the mean of more."""
        return self.smallest(values) if len(values) == 2 else torch.cat(values, 1)

    def clone_weight(self, batch: Batch, bc: Scalar) -> torch.Tensor:
        """Weight (B,) of cloning in each transition, as a multiple of `bc`."""
        human = batch.human.float()
        return human + (1.0 - human) * self.config.bc_start * bc if self.start_policy else human

    def clone_target(self, batch: Batch, bc: Scalar) -> CloneTarget:
        """What to clone: human actions; elsewhere, the action of the policy of the start."""
        start = self.start_policy
        if not start:
            return CloneTarget(batch.action, self.clone_weight(batch, bc))
        with torch.no_grad():
            action = heads(start, start['encoder'](batch.images, self.conv_dtype), batch.state)
        if self.gripper:
            chosen = action[:, self.arm.stop :].argmax(1, keepdim=True) - 1.0
            action = torch.cat([action[:, self.arm], chosen], 1)
        action = torch.where(batch.human[:, None], batch.action, action)
        return CloneTarget(action, self.clone_weight(batch, bc))

    def cloning_loss(
        self, mean: torch.Tensor, target: CloneTarget, count: torch.Tensor
    ) -> torch.Tensor:
        """Squared error of the actor's mean to what is cloned, as a mean over `count` of them."""
        error = (mean - target.action[:, self.arm]).square().mean(1)
        return (error * target.weight).sum() / count


def cloned(weight: torch.Tensor) -> torch.Tensor:
    """Number of transitions that are cloned, at least 1."""
    return (weight > 0.0).sum().clamp(min=1)


def gradient_norm(parameters: list[torch.Tensor]) -> torch.Tensor:
    """L2 norm of the gradient of all these parameters."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm: torch.Tensor = torch.stack(torch._foreach_norm(gradients)).norm()
    return norm


def _frozen(modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    return {n: copy.deepcopy(module).requires_grad_(False) for n, module in modules.items()}


def _parameters(modules: Mapping[str, nn.Module]) -> list[torch.Tensor]:
    return [p for module in modules.values() for p in module.parameters()]
