"""state.json of a checkpoint: the counters of its trainer, its configuration, its digests."""

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from so101_node.data_files import read_data

from ..agent.algorithm_name import DRQV2

STATE = 'state.json'
FORMAT: Literal['hilserl-checkpoint-3'] = 'hilserl-checkpoint-3'


class TrainerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a trainer needs to continue, except for the agent's tensors."""

    updates: int
    env_steps: int
    version: int  # of the last policy for the actor
    episodes: int
    credited: int  # steps that made updates due
    paced_updates: int  # updates that were due by the update ratio
    rng: dict[str, Any]  # NumPy's generator, which samples the batches
    options: dict[str, Any]  # of the learner
    outcomes: list[bool]  # of the recent episodes: success without help
    success: float  # their share
    success_episodes: int  # their number


class CheckpointState(TrainerState, frozen=True, kw_only=True):
    """The content of state.json."""

    format: Literal['hilserl-checkpoint-3']
    agent_config: str
    algorithm: str = DRQV2  # package.module:Class that wrote it
    schema: str
    torch: str
    code: str  # digest of the code that wrote the checkpoint
    saved: float  # Unix time, s
    sha256: dict[str, str]  # of the other files, by name

    def __post_init__(self) -> None:
        try:
            np.random.default_rng(0).bit_generator.state = self.rng
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f'rng: {error}') from error


def read_state(directory: Path) -> CheckpointState:
    """Read a checkpoint's state; CellError in one sentence if it is damaged."""
    return read_data(directory / STATE, CheckpointState, 'checkpoint')
