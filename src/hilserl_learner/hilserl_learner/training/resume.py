"""Starts or resumes a run: agent, replay and counters, from options, checkpoint and bags."""

from collections.abc import Callable
import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import golden_action, golden_inputs
from hilserl_core.policy.exploration import REASONS
from so101_node.errors import CellError
from so101_node.foreign_files import expanded

from ..agent.algorithm import Algorithm
from ..agent.algorithm_name import import_algorithm
from ..agent.config import AlgorithmConfig, class_name
from ..replay.buffer import Replay
from .checkpoints import Checkpoint, Checkpoints, code_version
from .fill_replay import Loaded, load_demonstrations, load_run
from .options import ANYONE, LearnerOptions
from .run_directory import RunDirectory
from .trainer import Trainer
from .warm_start import adopt_encoder, adopt_policy


@dataclass(frozen=True)
class StartedRun:
    """A run that is ready to learn: its directory, its checkpoints and its trainer."""

    directory: RunDirectory  # locked by this process
    checkpoints: Checkpoints
    trainer: Trainer
    checkpoint: Checkpoint | None  # the one that it resumed from
    received: dict[str, int]  # the last step of each recorded episode


def start_run(
    schema: TaskSchema,
    directory: str | Path,
    options: LearnerOptions,
    log: Callable[[str], object],
) -> StartedRun:
    """Start a run, or resume it from its newest undamaged checkpoint and its bags; log which.

    CellError if options, checkpoints, bags or demonstrations do not fit together. Sets the number
    of torch's threads, on which the results of an update depend.
    """
    torch.set_num_threads(options.threads)
    options.schedule()
    options.require_sources()
    options.pretrain_count()
    config = options.config(schema.discount)
    run = RunDirectory(directory, schema)
    checkpoints = Checkpoints(run.checkpoints)
    checkpoints.remove_incomplete()
    algorithm = run.settings.get('algorithm', 'cell') if run.exists else options.algorithm
    if algorithm != options.algorithm:
        raise CellError(
            f'run {run.name} was started with algorithm:={algorithm}, not '
            f'{options.algorithm}; use the same algorithm, or another run name'
        )
    checkpoint, sentences = checkpoints.newest()
    for sentence in sentences:
        log(f'{sentence}; the previous one is used')
    if checkpoint:
        of_start = checkpoint.config(type(config))
        for line in of_start.differences(config):
            log(f'run {run.name} keeps the configuration of its start: {line}')
        config = of_start
    agent = make_algorithm(schema, config, options, log)
    replay = Replay.within(
        options.memory_gb,
        schema,
        frame_stack=config.network.frame_stack,
        n_step=config.n_step_at(schema.rate),
        discount=config.discount_at(schema.rate),
    )
    if options.demos:
        directories = [expanded(d) for d in options.demos]
        by_anyone = options.demos_by == ANYONE
        load_demonstrations(directories, replay, log, options.unlabelled, by_anyone)
    loaded = load_run(run.bags, replay, log)
    trainer = Trainer(schema, options, agent, replay, log, loaded.env_steps, loaded.episodes)
    if checkpoint:
        _resume(trainer, checkpoint, log)
    else:
        _warm_start(agent, options, log)
    # policies published after the last checkpoint
    trainer.version = max(trainer.version, loaded.policy_version, run.version)
    if run.exists:
        _log_resumed(run, trainer, checkpoint, loaded, log)
    else:
        run.begin(schema, options.settings(), options.cell())
        log(
            f'new run {run.name} in {run.path}: algorithm {options.algorithm}, start '
            f'{options.start_mode}, sigma {options.schedule()} '
            f'({REASONS[options.start_mode]}), replay of {replay.capacity:,} steps'
        )
    return StartedRun(run, checkpoints, trainer, checkpoint, loaded.received)


def make_algorithm(
    schema: TaskSchema,
    config: AlgorithmConfig,
    options: LearnerOptions,
    log: Callable[[str], object],
) -> Algorithm:
    """Make the algorithm of a run. CellError if its policy acts otherwise on the arm."""
    made: Algorithm = import_algorithm(class_name(options.algorithm))(
        schema, config, options.device, options.seed, log
    )
    images, state = golden_inputs(schema, config.network)
    on_device = tuple(image.to(made.device) for image in images), state.to(made.device)
    policy = {name: copy.deepcopy(module).cpu() for name, module in made.policy().items()}
    expected = golden_action(policy, schema, config.network)
    found = made.act(*on_device).cpu()
    if found.shape != expected.shape or not torch.allclose(found, expected, atol=1e-2):
        raise CellError(
            f'algorithm {options.algorithm}: act does not return the action that the arm would '
            f'execute with the networks of policy(): {found.tolist()}, not {expected.tolist()}'
        )
    return made


def _warm_start(agent: Algorithm, options: LearnerOptions, log: Callable[[str], object]) -> None:
    if options.pretrained:
        log(adopt_policy(agent, Path(options.pretrained)))
        if count := options.critic_warmup_count():
            log(f'only the critics are trained for the first {count:,} updates')
    if options.encoder:
        log(adopt_encoder(agent, Path(options.encoder)))


def _resume(trainer: Trainer, checkpoint: Checkpoint, log: Callable[[str], object]) -> None:
    state = checkpoint.state
    trainer.resume(checkpoint)
    if state.code != code_version():
        log(
            f"the learner's code is {code_version()}; it was {state.code} when "
            f'checkpoint {checkpoint.directory.name} was written'
        )
    newer = trainer.env_steps - state.env_steps
    if newer:
        log(
            f'the checkpoint counts {state.env_steps:,} steps, the bags contain '
            f'{trainer.env_steps:,}: '
            + ('the newer ones are in the replay' if newer > 0 else 'bags are missing')
        )


def _log_resumed(
    run: RunDirectory,
    trainer: Trainer,
    checkpoint: Checkpoint | None,
    loaded: Loaded,
    log: Callable[[str], object],
) -> None:
    source = f'checkpoints/{checkpoint.directory.name}' if checkpoint else 'no checkpoint'
    log(
        f'resumed run {run.name}: {trainer.updates:,} updates, {trainer.env_steps:,} steps, '
        f'{trainer.episodes:,} episodes, version {trainer.version}, from {source} and '
        f'{loaded.bags:,} bags'
    )
    if changed := run.resume(trainer.options.cell()):
        log(f'run {run.name} continues with other options: ' + '; '.join(changed))
    if run.settings.get('start') != trainer.options.start_mode:
        log(
            f'run {run.name} was started with start:={run.settings.get("start")}, now it is '
            f'{trainer.options.start_mode}: sigma is {trainer.options.schedule()}'
        )
