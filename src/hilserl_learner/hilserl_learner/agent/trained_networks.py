"""The networks that the learner trains, and the two averages that follow them.

The averages are the critic's target (`tau`) and the EMA policy (`ema_tau`), which is the policy
that is published and saved.
"""

from collections.abc import Mapping
import copy
from typing import Any

import torch
from torch import nn

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.networks import Actor, Critic, Encoder, Gripper

from .config import AgentConfig


class TrainedNetworks:
    """Encoder, actor and critics with their targets on one device, initialised from a seed.

    `online_policy` and `ema_policy` hold the policy's networks by name: encoder, actor and, with a
    discrete gripper, gripper. With `ema_tau` 1 both are the same networks.
    """

    def __init__(self, schema: TaskSchema, config: AgentConfig, device: torch.device, seed: int):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = Encoder(schema, config.network).to(device)
            features = self.encoder.size
            self.actor = Actor(features, schema, config.network).to(device)
            self.critic = Critic(features, schema, config.network).to(device)
            self.critic_target = Critic(features, schema, config.network).to(device)
            self.gripper: Gripper | None = None
            self.gripper_target: Gripper | None = None
            if config.network.gripper == 'discrete':
                self.gripper, self.gripper_target = (
                    Gripper(features, schema, config.network).to(device) for _ in range(2)
                )
        self.online_policy: dict[str, nn.Module] = {'encoder': self.encoder, 'actor': self.actor}
        if self.gripper:
            self.online_policy['gripper'] = self.gripper
        self._has_ema = config.ema_tau != '1'
        # Any: they are keyword arguments of `pack`, each of a class of its own
        self.ema_policy: dict[str, Any] = {
            name: copy.deepcopy(module).requires_grad_(False) if self._has_ema else module
            for name, module in self.online_policy.items()
        }
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
        return found

    @torch.no_grad()
    def update_targets(self, tau: float) -> None:
        """Move the critics' targets by the fraction `tau` towards the critics."""
        torch._foreach_lerp_(self._target_parameters, self.critic_parameters, tau)

    @torch.no_grad()
    def update_ema(self, tau: float) -> None:
        """Move the EMA policy by the fraction `tau` towards the online policy."""
        if self._has_ema:
            torch._foreach_lerp_(self._ema_parameters, self._online_parameters, tau)

    def reset_ema(self) -> None:
        """Copy the online policy into the EMA policy; needed after weights were loaded."""
        for name, module in self.ema_policy.items():
            module.load_state_dict(self.online_policy[name].state_dict())


def _parameters(modules: Mapping[str, nn.Module]) -> list[torch.Tensor]:
    return [p for module in modules.values() for p in module.parameters()]
