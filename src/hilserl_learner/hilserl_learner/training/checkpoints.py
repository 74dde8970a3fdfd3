"""Checkpoints: complete, atomic, checked by digest on load; a run resumes from the newest one.

A checkpoint is a directory: agent.safetensors (networks, optimisers, torch's generator),
policy.safetensors (the policy bundle) and state.json (counters, configuration, digests).
It is written to a temporary directory, synced to disk and renamed; none is ever overwritten. Kept
are the newest few, one for each KEEP_EVERY updates, and the one with the best success.
"""

import copy
from dataclasses import dataclass
from functools import cache
import hashlib
import json
import os
from pathlib import Path
import shutil
import time
from typing import Any

import msgspec
from safetensors import SafetensorError
import safetensors.torch
import torch

import hilserl_core
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.checkpoint_names import BEST, LATEST, POLICY, checkpoint_names
import hilserl_learner
from so101_node.durable import replace_link, sync
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes

from ..agent.algorithm import Algorithm, name_of, require_algorithm
from ..agent.config import AlgorithmConfig
from ..agent.finite import not_finite
from .checkpoint_state import FORMAT, STATE, CheckpointState, TrainerState, read_state

KEEP = 5  # newest ones
KEEP_EVERY = 3_000  # updates; the first checkpoint of each such interval is kept
MIN_EPISODES = 10  # a success rate of fewer episodes is not compared with others
MAX_BYTES = 10_000_000_000  # of one file of a checkpoint
AGENT = 'agent.safetensors'


@dataclass(frozen=True)
class Snapshot:
    """A copy of an agent. It can be written while training continues."""

    schema: TaskSchema
    config: AlgorithmConfig
    algorithm: str
    tensors: dict[str, torch.Tensor]
    policy: dict[str, Any]  # the networks, as keyword arguments of `pack`

    @classmethod
    def of(cls, agent: Algorithm) -> 'Snapshot':
        """Copy everything that an agent's next update depends on."""
        return cls(
            agent.schema,
            agent.config,
            name_of(agent),
            {name: value.to('cpu', copy=True) for name, value in agent.state().items()},
            {name: copy.deepcopy(module).cpu() for name, module in agent.policy().items()},
        )


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint that was read from disk."""

    directory: Path
    state: CheckpointState
    tensors: dict[str, torch.Tensor]
    policy: bytes

    def config(self, kind: type[AlgorithmConfig]) -> AlgorithmConfig:
        """The agent's configuration when it was saved; CellError if it is not of this kind."""
        return kind.from_json(self.state.agent_config)


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, directory: Path):
        self.directory = directory

    def remove_incomplete(self) -> None:
        """Delete checkpoints that were not finished. The caller must hold the run's lock."""
        for incomplete in self.directory.glob('.new-*'):
            if incomplete.is_symlink():
                incomplete.unlink()
            else:
                shutil.rmtree(incomplete)

    def save(self, snapshot: Snapshot, state: TrainerState) -> Path:
        """Write a checkpoint named by `state.updates`; returns its directory."""
        policy = pack(
            snapshot.schema,
            snapshot.config.network,
            version=state.version,
            updates=state.updates,
            env_steps=state.env_steps,
            algorithm=snapshot.algorithm,
            **snapshot.policy,
        )
        files = {AGENT: safetensors.torch.save(snapshot.tensors), POLICY: policy}
        complete = CheckpointState(
            **msgspec.structs.asdict(state),
            format=FORMAT,
            agent_config=snapshot.config.to_json(),
            algorithm=snapshot.algorithm,
            schema=snapshot.schema.to_json(),
            torch=torch.__version__,
            code=code_version(),
            saved=time.time(),
            sha256={n: hashlib.sha256(data).hexdigest() for n, data in files.items()},
        )
        text = json.dumps({'format': FORMAT} | msgspec.structs.asdict(complete), indent=1)
        files[STATE] = text.encode()
        name = str(state.updates)
        beside = self.directory / f'.new-{name}'
        try:
            name = self._free_name(name)
            beside.mkdir(mode=0o700)
            for file_name, data in files.items():
                with open(beside / file_name, 'wb') as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            sync(beside)
            os.rename(beside, self.directory / name)
            replace_link(self.directory / LATEST, name)
            best = self.best()
            if best:
                replace_link(self.directory / BEST, best)
            sync(self.directory)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)  # a bag may need the space
            raise CellError(
                f'checkpoint {name} cannot be written to {self.directory}: {error}; the '
                'previous one is complete'
            ) from error
        for old in set(self.names()) - self._kept(best):
            shutil.rmtree(self.directory / old)
        return self.directory / name

    def _free_name(self, name: str) -> str:
        # use a number above the last: a number that was deleted would sort as the oldest
        same = [int(n.partition('-')[2] or 1) for n in self.names() if n.split('-')[0] == name]
        return f'{name}-{max(same) + 1}' if same else name

    def _kept(self, best: str) -> set[str]:
        names = self.names()
        intervals: dict[int, str] = {}
        for name in names:
            intervals.setdefault(int(name.split('-')[0]) // KEEP_EVERY, name)
        intervals.pop(0, None)
        return {*names[-KEEP:], *intervals.values(), best}

    def best(self) -> str:
        """Name of the checkpoint with the highest success, the newest of equals.

        '' if no checkpoint has a success rate of at least MIN_EPISODES episodes.
        """
        rated = [
            (state.success, number)
            for number, state in enumerate(self.states().values())
            if state and state.success_episodes >= MIN_EPISODES
        ]
        return self.names()[max(rated)[1]] if rated else ''

    def states(self) -> dict[str, CheckpointState | None]:
        """The state of each checkpoint, oldest first; None for one that cannot be read."""
        found: dict[str, CheckpointState | None] = {}
        for name in self.names():
            try:
                found[name] = read_state(self.directory / name)
            except CellError:
                found[name] = None
        return found

    def names(self) -> list[str]:
        """Names of all checkpoints, oldest first, complete or not."""
        return checkpoint_names(self.directory)

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest undamaged checkpoint, and a sentence for each damaged one.

        None if there are no checkpoints. CellError if all checkpoints are damaged.
        """
        sentences: list[str] = []
        for name in reversed(self.names()):
            try:
                return load(self.directory / name), sentences
            except CellError as error:
                sentences.append(str(error))
        if sentences:
            raise CellError(
                '; '.join(sentences)
                + f'; no undamaged checkpoint is left, and no file was changed: '
                f'move {self.directory} away to train again from the bags'
            )
        return None, []


def load(directory: Path) -> Checkpoint:
    """Read a checkpoint; CellError if it is incomplete or damaged."""
    state = read_state(directory)
    try:
        files = {}
        for name in (AGENT, POLICY):
            files[name] = read_bytes(directory / name, 'file', MAX_BYTES)
            if hashlib.sha256(files[name]).hexdigest() != state.sha256.get(name):
                raise ValueError(f'{name} ({len(files[name])} bytes) does not match its digest')
        tensors = safetensors.torch.load(files[AGENT])
        if bad := not_finite(tensors):
            raise ValueError(f'{len(bad)} of its tensors are not finite, first {bad[0]}')
        return Checkpoint(directory, state, tensors, files[POLICY])
    except (CellError, OSError, ValueError, MemoryError, SafetensorError) as error:
        raise CellError(f'checkpoint {directory} is damaged: {error}') from error


@cache
def code_version() -> str:
    """Digest of the source of learner and core. It distinguishes builds of the same version."""
    digest = hashlib.sha256()
    for package in (hilserl_core, hilserl_learner):
        for path in sorted(Path(package.__path__[0]).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def restore(algorithm: Algorithm, checkpoint: Checkpoint) -> str:
    """Load a checkpoint's networks, optimisers and generator into an algorithm, strictly.

    Returns a sentence if the generator is of another kind of device and starts from its seed,
    else ''. CellError if another algorithm wrote it, or if it does not fit.
    """
    require_algorithm(f'checkpoint {checkpoint.directory}', checkpoint.state.algorithm, algorithm)
    try:
        complete = algorithm.load_state(checkpoint.tensors)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise CellError(
            f'checkpoint {checkpoint.directory} does not fit this agent: {error}'
        ) from error
    if complete:
        return ''
    return (
        f'checkpoint {checkpoint.directory.name} was trained on another kind of device: on '
        f'{algorithm.device.type} the random numbers start from the seed'
    )
