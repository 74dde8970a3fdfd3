"""What a person sets of a run's learning, and whether it fits together."""

from dataclasses import dataclass, replace
from pathlib import Path

from hilserl_core.policy.exploration import linear, refuse_high_sigma, sigma_schedule
from so101_node.errors import CellError

from ..agent.config import AgentConfig, agent_config

# Updates on demonstrations before the first step of a run, by start mode: enough for a policy that
# moves as demonstrated, and a matter of seconds.
PRETRAIN_UPDATES = {'scratch': 0, 'demos': 200, 'pretrained': 0}
# Critic-only updates at the start from a policy bundle. A newly initialised critic is
# uninformative; training the actor on it degrades the pretrained policy. A checkpoint
# includes its critics.
CRITIC_WARMUP_UPDATES = 1000


@dataclass(frozen=True)
class LearnerOptions:
    """Meanings stand with the node's parameters."""

    algorithm: str = 'cell'
    agent_options: str = ''
    start: str = 'scratch'
    demos: tuple[str, ...] = ()
    unlabelled: str = 'refuse'
    pretrained: str = ''
    encoder: str = ''
    sigma: str = ''
    allow_high_sigma: bool = False
    pretrain_updates: int = -1
    critic_warmup_updates: int = -1
    update_ratio: float = 1.0
    batch_size: int = 64
    min_steps: int = 200
    checkpoint_period: float = 60.0
    publish_period: float = 2.0
    device: str = 'cpu'
    threads: int = 1
    seed: int = 0
    memory_gb: float = 1.0
    world: str = ''  # changes nothing, is known afterwards

    def config(self) -> AgentConfig:
        """The algorithm with its changes. CellError if an option does not exist or fit."""
        config = agent_config(self.algorithm, self.agent_options)
        if config.freeze_encoder and not self.encoder:
            raise CellError(
                'agent_options: freeze_encoder is set by encoder:=FILE, the one to freeze'
            )
        return replace(config, freeze_encoder=True) if self.encoder else config

    def schedule(self) -> linear:
        """Sigma over the run's steps. CellError if it is too high for the start mode."""
        found = sigma_schedule(self.start, self.sigma)
        refuse_high_sigma(self.start, found, self.allow_high_sigma)
        return found

    def pretrain_count(self) -> int:
        """Updates before the run's first step; CellError if there is nothing to make them on."""
        count = (
            PRETRAIN_UPDATES[self.start] if self.pretrain_updates < 0 else self.pretrain_updates
        )
        if self.update_ratio == 0.0:
            return 0
        if count and not self.demos:
            raise CellError(
                f'pretrain_updates is {count}, and there are no demonstrations to learn from; '
                'give demos, or set it to 0'
            )
        return count

    def critic_warmup_count(self) -> int:
        """Updates at the start of a run in which only the critics are trained."""
        if self.critic_warmup_updates >= 0:
            return self.critic_warmup_updates
        return (
            CRITIC_WARMUP_UPDATES if self.pretrained and not Path(self.pretrained).is_dir() else 0
        )

    def require_sources(self) -> None:
        """CellError unless demonstrations and policy are those that `start` asks for."""
        if (self.start == 'demos') != bool(self.demos) and self.start != 'pretrained':
            raise CellError(
                f'start is {self.start} and demos is {",".join(self.demos)!r}; '
                'demonstrations go with start:=demos, and start:=demos needs some'
            )
        if (self.start == 'pretrained') != bool(self.pretrained):
            raise CellError(
                f'start is {self.start} and pretrained is {self.pretrained!r}; a policy '
                'bundle goes with start:=pretrained, and start:=pretrained needs one'
            )
