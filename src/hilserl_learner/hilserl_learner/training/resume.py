"""How a run begins or goes on: agent, replay and counters, from options, checkpoint and bags."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.exploration import REASONS
from so101_node.errors import CellError

from ..agent.config import AgentConfig
from ..agent.drqv2 import Agent
from ..replay.buffer import Replay
from .checkpoints import Checkpoint, Checkpoints, code_version, restore
from .fill_replay import load_demonstrations, load_run
from .options import LearnerOptions
from .run_directory import RunDirectory
from .update_pacer import Pacer
from .warm_start import adopt_encoder, adopt_policy


@dataclass
class Begun:
    """Where a run stands."""

    agent: Agent
    replay: Replay
    rng: np.random.Generator  # of sampling
    pacer: Pacer
    episodes: set[str]
    env_steps: int
    updates: int = 0
    version: int = 0  # of the last policy
    checkpoint: Checkpoint | None = None


def begin(
    schema: TaskSchema,
    options: LearnerOptions,
    config: AgentConfig,
    run: RunDirectory,
    checkpoints: Checkpoints,
    log: Callable[[str], None],
) -> Begun:
    """Start a run, or resume it from its newest whole checkpoint and its bags. Says which.

    CellError if options, checkpoints, bags or demonstrations do not fit together.
    """
    algorithm = run.settings.get('algorithm', 'cell') if run.exists else options.algorithm
    if algorithm != options.algorithm:
        raise CellError(
            f'run {run.name} was started with algorithm:={algorithm}, not '
            f'{options.algorithm}; start it so, or take another run name'
        )
    checkpoint, sentences = checkpoints.newest()
    for sentence in sentences:
        log(f'{sentence}; the one before it is used')
    if checkpoint:
        for line in checkpoint.config.differences(config):
            log(f'run {run.name} goes on as it was started: {line}')
        config = checkpoint.config
    agent = Agent(schema, config, options.device, options.seed, log)
    replay = Replay.within(
        options.memory_gb,
        schema,
        frame_stack=config.network.frame_stack,
        n_step=config.n_step,
        discount=config.discount,
    )
    if options.demos:
        load_demonstrations(
            [Path(d).expanduser() for d in options.demos], replay, log, options.unlabelled
        )
    loaded = load_run(run.bags, replay, log)
    begun = Begun(
        agent,
        replay,
        np.random.default_rng(options.seed),
        Pacer(options.update_ratio),
        loaded.episodes,
        loaded.env_steps,
        checkpoint=checkpoint,
    )
    if checkpoint:
        _restore(begun, checkpoint, options.update_ratio, log)
    else:
        if options.pretrained:
            log(adopt_policy(agent, Path(options.pretrained)))
            if options.critic_warmup_count():
                log(
                    'only its critics are trained for the first '
                    f'{options.critic_warmup_count():,} updates'
                )
        if options.encoder:
            log(adopt_encoder(agent, Path(options.encoder)))
    # policies published after the last checkpoint
    begun.version = max(begun.version, loaded.policy_version, run.version)
    if not run.exists:
        run.begin(schema, asdict(options) | {'demos': list(options.demos)})
        log(
            f'new run {run.name} in {run.path}: algorithm {options.algorithm}, start '
            f'{options.start}, sigma {options.schedule()} ({REASONS[options.start]}), replay of '
            f'{replay.capacity:,} steps'
        )
        return begun
    source = f'checkpoints/{checkpoint.directory.name}' if checkpoint else 'no checkpoint'
    log(
        f'resumed run {run.name}: {begun.updates:,} updates, {begun.env_steps:,} steps, '
        f'{len(begun.episodes):,} episodes, version {begun.version}, from {source} and '
        f'{loaded.bags:,} bags'
    )
    if run.settings.get('start') != options.start:
        log(
            f'run {run.name} was started with start:={run.settings.get("start")}, now it is '
            f'{options.start}: sigma is {options.schedule()}'
        )
    return begun


def _restore(begun: Begun, checkpoint: Checkpoint, ratio: float, log) -> None:
    state = checkpoint.state
    if said := restore(begun.agent, checkpoint):
        log(said)
    if state.get('code') != code_version():
        log(
            f"the learner's code is {code_version()}, it was {state.get('code', 'older')} when "
            f'checkpoint {checkpoint.directory.name} was written'
        )
    begun.rng.bit_generator.state = state['rng']
    begun.updates, begun.version = state['updates'], state['version']
    missed = begun.env_steps - state['env_steps']
    credited = state['credited'] and max(state['credited'] + missed, 1)
    # a changed ratio holds from here on
    begun.pacer = Pacer(ratio, credited, min(state['paced_updates'], int(ratio * credited)))
    if missed:
        log(
            f'the checkpoint knew {state["env_steps"]:,} steps, the bags hold '
            f'{begun.env_steps:,}: '
            + ('the newer ones are learned from now' if missed > 0 else 'bags are missing')
        )
