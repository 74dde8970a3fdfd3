"""The options of a run's learning, and the check that they fit together."""

from dataclasses import asdict, dataclass, replace
import json
from pathlib import Path
from typing import Any

from hilserl_core.contract.task_options import TaskOptions
from hilserl_core.policy.exploration import ExplorationOptions
from so101_node.errors import CellError
from so101_node.foreign_files import expanded
from so101_node.options import option
from so101_node.shared_options import RunIdOption, SeedOption, WorldOption

from ..agent.config import AlgorithmConfig, agent_config
from .loggers import LOGGERS, TENSORBOARD, require_logger
from .run_directory import refuse_if_in_use
from .run_file import NAME, read_run_file
from .start_check import (
    require_demonstrations,
    require_device,
    require_policy,
    require_task_of_run,
)

# Updates on demonstrations before the first step of a run, by start mode. They clone, and take
# half a minute; 2,000 did not make the policy better.
PRETRAIN_UPDATES = {'scratch': 0, 'demos': 1000, 'pretrained': 0}
# Critic-only updates at the start from a policy bundle. A newly initialised critic is
# uninformative; training the actor on it degrades the pretrained policy. A checkpoint
# includes its critics.
CRITIC_WARMUP_UPDATES = 1000


# What a resumed run keeps from its first start, if it is not given again.
STARTED_FROM = (
    'start',
    'sigma',
    'allow_high_sigma',
    'demos',
    'unlabelled',
    'demos_by',
    'pretrained',
    'encoder',
    'pretrain_updates',
    'critic_warmup_updates',
)
HUMAN, ANYONE = 'human', 'anyone'  # whose steps demonstrate
LEARNED_BY = ('algorithm', 'agent_options')


def _absolute(path: str) -> str:
    return str(expanded(path).absolute()) if path else ''


@dataclass(frozen=True)
class LearnerOptions(ExplorationOptions, WorldOption, SeedOption):
    """The options of learning."""

    algorithm: str = option(
        'cell',
        'what learns: cell (DrQ-v2 with the numbers that learn best in the simulated cell), '
        'drqv2 (with the published ones), sac, or your own: package.module:Class',
        verbs=('train',),
    )
    agent_options: str = option(
        '',
        'numbers of the algorithm to change, "discount=0.99 frame_stack=3"; docs/options.md lists '
        'them',
        verbs=('train',),
    )
    demos: tuple[str, ...] = option(
        (), 'directories of demonstration bags, separated by commas', verbs=('train',)
    )
    unlabelled: str = option(
        'refuse',
        'what to do with demonstrations without an outcome: refuse to start, or exclude them',
        choices=('refuse', 'exclude'),
        verbs=('train',),
    )
    demos_by: str = option(
        HUMAN,
        'whose steps in demonstrations are cloned and fill half of each batch: human, or anyone, '
        'also those of a policy, as of one of LeRobot',
        choices=(HUMAN, ANYONE),
        verbs=('train',),
    )
    pretrained: str = option(
        '',
        'what to start from: a checkpoint (directory), or a policy bundle (file), which has no '
        'critics',
        verbs=('train',),
    )
    encoder: str = option('', 'policy bundle whose encoder is used and frozen', verbs=('train',))
    pretrain_updates: int = option(
        -1,
        'updates on demonstrations before the first step of a run; -1: by start mode (demos: '
        f'{PRETRAIN_UPDATES["demos"]}, else 0)',
        low=-1,
        high=1_000_000,
        verbs=('train',),
    )
    critic_warmup_updates: int = option(
        -1,
        'critic-only updates at the start of a run, so that new critics do not degrade the '
        f'pretrained policy; -1: {CRITIC_WARMUP_UPDATES:,} for a policy bundle, else 0',
        low=-1,
        high=1_000_000,
    )
    update_ratio: float = option(
        1.0,
        'updates for each step of the run; 0 records without learning',
        low=0.0,
        high=100.0,
        verbs=('train',),
    )
    batch_size: int = option(64, 'transitions in an update', low=2, high=4096)
    min_steps: int = option(
        200,
        'transitions in the replay, demonstrations included, before updates begin',
        low=1,
        high=1_000_000,
    )
    checkpoint_period: float = option(
        60.0, 'time between two checkpoints', unit='s', low=1.0, high=86400.0
    )
    publish_period: float = option(
        2.0, 'time between two published policies', unit='s', low=1.0, high=3600.0
    )
    device: str = option(
        'cpu', 'where networks are trained', choices=('cpu', 'cuda'), verbs=('train',)
    )
    # On two cores, batch 64: one thread 50 ms; two threads 34 ms alone, but 0.9 s beside a busy
    # process, because each waits for the other at every operation.
    threads: int = option(1, 'threads of one update', low=1, high=256)
    logger: str = option(
        TENSORBOARD,
        'where the curves go: files for TensorBoard in the run, wandb or trackio (if that package '
        'is installed), or none',
        choices=LOGGERS,
        verbs=('train',),
    )
    memory_gb: float = option(1.0, 'memory of the replay', unit='GB', low=0.01, high=1000.0)

    @property
    def start_mode(self) -> str:
        """`start`; auto: the mode that the given sources imply."""
        if self.start != 'auto':
            return self.start
        return 'pretrained' if self.pretrained else 'demos' if self.demos else 'scratch'

    def settings(self) -> dict[str, Any]:
        """All options, as run.yaml stores them."""
        found = asdict(self) | {'start': self.start_mode}
        # absolute: a resumed run finds them from any directory
        found['demos'] = [_absolute(path) for path in self.demos]
        return found | {name: _absolute(found[name]) for name in ('pretrained', 'encoder')}

    def cell(self) -> dict[str, Any]:
        """The options of all nodes, if bring-up gave them: node, option, value."""
        return {}

    def check(self) -> None:
        """CellError for options that do not exist, or do not fit together."""
        super().check()
        self.config()
        self.require_sources()
        self.pretrain_count()
        require_logger(self.logger)

    def config(self, discount: float = 0.0) -> AlgorithmConfig:
        """The algorithm with its changes. CellError if an option does not exist or fit.

        discount: that of the task, which `agent_options` may replace; 0: it has none.
        """
        hint = f'discount={discount!r} ' if discount else ''
        config = agent_config(self.algorithm, hint + self.agent_options)
        if config.freeze_encoder and not self.encoder:
            raise CellError(
                'agent_options: freeze_encoder needs an encoder; give it by encoder:=FILE'
            )
        return replace(config, freeze_encoder=True) if self.encoder else config

    def pretrain_count(self) -> int:
        """Updates before the run's first step; CellError without demonstrations for them."""
        count = self.pretrain_updates
        if count < 0:
            count = PRETRAIN_UPDATES[self.start_mode]
        if self.update_ratio == 0.0:
            return 0
        if count and not self.demos:
            raise CellError(
                f'pretrain_updates is {count}, but there are no demonstrations; '
                'give demos:=DIRECTORY, or pretrain_updates:=0'
            )
        return count

    def critic_warmup_count(self) -> int:
        """Updates at the start of a run in which only the critics are trained."""
        if self.critic_warmup_updates >= 0:
            return self.critic_warmup_updates
        from_bundle = self.pretrained and not Path(self.pretrained).is_dir()
        return CRITIC_WARMUP_UPDATES if from_bundle else 0

    def require_sources(self) -> None:
        """CellError unless demonstrations and policy are given as the start mode requires."""
        mode = self.start_mode
        if (mode == 'demos') != bool(self.demos) and mode != 'pretrained':
            raise CellError(
                f'start is {mode} and demos is {",".join(self.demos)!r}; '
                'demonstrations need start:=demos, and start:=demos needs demos:=DIRECTORY'
            )
        if (mode == 'pretrained') != bool(self.pretrained):
            raise CellError(
                f'start is {mode} and pretrained is {self.pretrained!r}; a policy bundle needs '
                'start:=pretrained, and start:=pretrained needs pretrained:=FILE'
            )


@dataclass(frozen=True)
class LearnerNodeOptions(LearnerOptions, TaskOptions, RunIdOption):
    """The options of the learner node."""

    run_dir: str = option('runs/default', 'directory of the run: bags, checkpoints, curves')
    actors: tuple[str, ...] = option(
        (),
        'namespaces of the cells that this learner serves, its own included, separated by '
        'commas; empty: only its own',
        verbs=('train',),
    )
    linked: bool = option(
        False, 'whether steps come over the link of ./cell learn, which repeats them if needed'
    )
    cell_options: str = option('', "every node's options as JSON; bring-up sets it, for run.yaml")

    def settings(self) -> dict[str, Any]:
        """All options, as run.yaml stores them."""
        found = super().settings() | {'actors': list(self.actors)}
        del found['cell_options']
        return found

    @staticmethod
    def kept_settings(run_dir: Path, given: set[str]) -> dict[str, Any]:
        """What a run keeps from its first start; {} for a new run.

        given: names of the options that are given now. If one says what to start from, all of
        those are taken from now.
        """
        if not (run_dir / NAME).is_file():
            return {}
        settings = read_run_file(run_dir).settings
        if ':' in settings.get('algorithm', '') and 'algorithm' not in given:
            # a class is imported: which one, no file decides
            raise CellError(
                f'run {run_dir.name} was started with algorithm:={settings["algorithm"]}, a class '
                'of your own; give it again'
            )
        names = [*LEARNED_BY, *(() if given & {*STARTED_FROM} else STARTED_FROM)]
        return {
            name: tuple(value) if isinstance(value := settings[name], list) else value
            for name in names
            if name in settings and name not in given
        }

    def cell(self) -> dict[str, Any]:
        """The options of all nodes, if bring-up gave them: node, option, value."""
        return json.loads(self.cell_options) if self.cell_options else {}

    def require_startable(self) -> None:
        """CellError for a start that the learner would refuse: its files, its task, its device.

        The bring-up calls it before it starts a node.
        """
        schema = self.schema()
        require_task_of_run(expanded(self.run_dir), schema)
        require_device(self.device)
        require_demonstrations(self.demos)
        if self.pretrained:
            require_policy(self.pretrained, 'pretrained policy', schema)
        if self.encoder:
            require_policy(self.encoder, 'encoder', None)

    def check(self) -> None:
        """CellError also if another process uses the run's directory."""
        super().check()
        try:
            self.cell()
        except ValueError as error:
            raise CellError(f'cell_options is not JSON: {error}') from error
        refuse_if_in_use(self.run_dir)
