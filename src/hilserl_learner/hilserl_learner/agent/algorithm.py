"""What a run needs of an algorithm: the protocol of `algorithm:=package.module:Class`.

docs/howto/algorithm.md explains it with an example. The policy's networks are those of
`hilserl_core.policy.networks`, and `hilserl_core.policy.inference` runs them on the arm: an actor
needs no code of an algorithm.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import heads
from so101_node.errors import CellError

from ..replay.batch import Batch
from .config import AlgorithmConfig


class Algorithm(Protocol):
    """An algorithm on one device. A subclass has the constructor's arguments as attributes."""

    CONFIG: ClassVar[type[AlgorithmConfig]]  # its numbers; each has a default

    schema: TaskSchema
    config: AlgorithmConfig
    device: torch.device
    generator: torch.Generator  # of the device; every random number of an update is from it

    @abstractmethod
    def __init__(
        self,
        schema: TaskSchema,
        config: Any,
        device: str = 'cpu',
        seed: int = 0,
        log: Callable[[str], object] = lambda _: None,
    ):
        """Make the networks from the seed; config: a `CONFIG`. CellError if they do not fit."""

    @abstractmethod
    def update(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train on one batch, which is on the CPU. Return detached scalars by name.

        sigma, bc: the exploration noise and the weight of cloning at this step of the run.
        detailed: also return metrics that cost time. critic_only: keep the policy as it is. The
        names `critic_loss` and `q_mean` are checked (warnings), if they are there.
        """

    def pretrain(
        self,
        batch: Batch,
        sigma: float,
        bc: float = 0.0,
        detailed: bool = False,
        critic_only: bool = False,
    ) -> dict[str, torch.Tensor]:
        """Train on one batch of demonstrations, before the run's first step; else as `update`."""
        return self.update(batch, sigma, bc, detailed, critic_only)

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """All networks of a checkpoint, by name."""

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers of a checkpoint, by name. Each has one group of parameters."""

    @abstractmethod
    def policy(self) -> dict[str, Any]:
        """The networks that act, which are published: encoder, actor and, if discrete, gripper."""

    def act(self, images: tuple[torch.Tensor, ...], state: torch.Tensor) -> torch.Tensor:
        """Mean action (B, A) of the policy, without gradient: as the actor computes it.

        images: as in a batch; state: (B, S). A discrete gripper has three values, as in a bundle.
        """
        found = self.policy()
        with torch.no_grad():
            return heads(found, found['encoder'](images), state)

    def update_ema(self, tau: float) -> None:
        """Move the policy that acts by the fraction `tau` towards the one that is trained."""

    def start_from(self, policy: Mapping[str, nn.Module]) -> None:
        """Continue from the networks of another policy, by name; some may be missing."""
        for name, module in policy.items():
            self.modules()[name].load_state_dict(module.state_dict())
        self.loaded()

    def keep_start(self) -> None:
        """Called before the first step of a run that starts from a trained policy.

        That is an earlier policy, or the one that pretraining on demonstrations made.
        """

    def loaded(self) -> None:
        """Called after weights or optimisers were replaced."""

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next update depends on, by name."""
        tensors = {'generator': self.generator.get_state()}
        for part, module in self.modules().items():
            for name, value in module.state_dict().items():
                tensors[f'{part}.{name}'] = value.contiguous()
        for part, optimizer in self.optimizers().items():
            for index, moments in optimizer.state_dict()['state'].items():
                for name, value in moments.items():
                    tensors[f'optimizer.{part}.{index}.{name}'] = value.contiguous()
        return tensors

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Load what `state` returned, strictly. Return whether its generator was loaded, too.

        That of another kind of device is not. KeyError, IndexError, RuntimeError or ValueError if
        the tensors do not fit.
        """
        moments: dict[str, dict[int, dict[str, torch.Tensor]]] = {
            part: {} for part in self.optimizers()
        }
        weights: dict[str, dict[str, torch.Tensor]] = {part: {} for part in self.modules()}
        for key, value in tensors.items():
            part, _, name = key.partition('.')
            if part == 'optimizer':
                part, index, name = name.split('.')
                moments[part].setdefault(int(index), {})[name] = value
            elif part != 'generator':
                weights[part][name] = value
        for part, module in self.modules().items():
            module.load_state_dict(weights[part])
        for part, optimizer in self.optimizers().items():
            parameters = optimizer.param_groups[0]['params']
            # the fused step needs each moment in the memory layout of its weight
            state = {
                index: {
                    name: torch.empty_like(parameters[index]).copy_(value) if value.ndim else value
                    for name, value in values.items()
                }
                for index, values in moments[part].items()
            }
            optimizer.load_state_dict({**optimizer.state_dict(), 'state': state})
        same_device = tensors['generator'].shape == self.generator.get_state().shape
        if same_device:
            self.generator.set_state(tensors['generator'])
        self.loaded()
        return bool(same_device)


def name_of(algorithm: Algorithm) -> str:
    """Return `package.module:Class`, which checkpoints and bundles contain."""
    return f'{type(algorithm).__module__}:{type(algorithm).__qualname__}'


def require_algorithm(what: str, made_by: str, algorithm: Algorithm) -> None:
    """CellError unless this algorithm made it. what: begins the sentence."""
    if made_by != name_of(algorithm):
        raise CellError(
            f'{what} was made by algorithm {made_by}, not by {name_of(algorithm)}; use the '
            'algorithm that made it'
        )
