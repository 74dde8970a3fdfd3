"""Results of whole runs as data, in one file for each task.

Only evaluations write to these files. Tables and plots in the documentation are made from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from hilserl_core.contract.task import TaskSchema
from hilserl_learner.agent.algorithm_name import DRQV2
from hilserl_learner.agent.config import AlgorithmConfig, class_name
from hilserl_learner.training.options import LearnerOptions
from so101_node.data_files import convert, read_data
from so101_node.durable import make_private, replace_file

GOOD, MIN_EPISODES = 0.9, 20  # success rate, and the episodes that it needs at least
# With task, agent, sigma and demonstrations, these options decide how a run learns.
ALGORITHM = (
    'start',
    'pretrain_updates',
    'critic_warmup_updates',
    'update_ratio',
    'batch_size',
    'min_steps',
)


class RunResult(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was measured of one run. The interval is 95 % (Wilson)."""

    task: str
    world: str
    seed: int
    run: str = ''  # name of its directory; '' without one
    minutes_to_90: float | None
    success: float
    interval: tuple[float, float]
    episodes: int  # of the last evaluation
    robot_minutes: float
    graph: Literal['ros', 'inprocess']
    config: str
    curve: list[tuple[float, float, int]]  # minutes, success, episodes of each evaluation
    options: dict[str, Any] = {}
    updates: int
    seconds_to_success: float | None
    training_episodes: int = 0
    demo_minutes: float = 0.0
    interrupted: bool = False
    wall_s: int = 0


class Results(msgspec.Struct, forbid_unknown_fields=True):
    """The file of one task."""

    runs: list[RunResult]


def config_hash(
    schema: TaskSchema, options: LearnerOptions, demos: int, agent: AlgorithmConfig | None = None
) -> str:
    """Twelve hex digits of everything that decides how a run learns.

    demos: number of episodes; agent: the configuration in a checkpoint, because defaults may have
    changed since.
    """
    data = {name: getattr(options, name) for name in ALGORITHM}
    data |= {
        'task': schema.hash,
        'agent': (agent or options.config(schema.discount)).to_json(),
        'sigma': str(options.schedule()),
        'demos': demos,
    }
    if (algorithm := class_name(options.algorithm)) != DRQV2:
        data['algorithm'] = algorithm
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def options_of(settings: Mapping[str, Any]) -> LearnerOptions:
    """The options in a run's run.yaml."""
    known = {f.name for f in fields(LearnerOptions)}
    return LearnerOptions(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if name in known
        }
    )


def minutes_to(curve: Iterable[tuple[float, float, int]], success: float = GOOD) -> float | None:
    """Robot minutes of the first success rate of at least `success`.

    curve: minutes, success, episodes of each evaluation.
    """
    return next(
        (
            round(minutes, 1)
            for minutes, share, episodes in curve
            if share >= success and episodes >= MIN_EPISODES
        ),
        None,
    )


def read(file: Path) -> list[RunResult]:
    """Read the runs in a file; [] without a file. CellError if it is damaged."""
    if not file.exists():
        return []
    return read_data(file, Results, 'file of results', 'restore it from git').runs


def add(file: Path, run: RunResult) -> None:
    """Add a run to a file, or replace an earlier measurement of the same run.

    CellError if a value has the wrong type.
    """
    convert(msgspec.to_builtins(run), RunResult, 'the result of this run cannot be stored')
    runs = [other for other in read(file) if _key(other) != _key(run)] + [run]
    make_private(file.parent)
    text = msgspec.json.format(msgspec.json.encode(Results(runs)), indent=1).decode()
    replace_file(file, text + '\n')


def _key(run: RunResult) -> tuple[object, ...]:
    return run.task, run.world, run.seed, run.graph, run.config, run.run, run.robot_minutes


def markdown(runs: list[RunResult]) -> str:
    """Return a table for the documentation."""
    lines = [
        '| task | world | graph | seed | config | minutes to 90 % | success | of | at minute |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for run in sorted(runs, key=lambda r: (r.task, r.world, r.graph, r.config, r.seed)):
        to_90 = 'not reached' if run.minutes_to_90 is None else f'{run.minutes_to_90:g}'
        lines.append(
            f'| {run.task} | {run.world} | {run.graph} | {run.seed} | '
            f'`{run.config}` | {to_90} | {100 * run.success:.0f} % | {run.episodes} | '
            f'{run.robot_minutes:.1f} |'
        )
    return '\n'.join(lines)


def draw(runs: list[RunResult], file: Path) -> None:
    """Draw success over robot minutes of all runs that have a curve, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 4.2), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    kinds = sorted({(r.world, r.graph, r.config) for r in runs})
    for number, kind in enumerate(kinds):
        label = f'{kind[0]}, {kind[1]}, {kind[2]}'
        for run in runs:
            if (run.world, run.graph, run.config) != kind or not run.curve:
                continue
            points = [(m, s) for m, s, _ in run.curve]
            axes.plot(*zip(*points), f'C{number}o-', markersize=3, linewidth=1, label=label)
            axes.plot([run.robot_minutes], [run.success], f'C{number}D', markersize=6)
            label = None
    axes.set(
        xlabel='robot time, minutes',
        ylabel='success of deterministic episodes',
        ylim=(-0.03, 1.03),
    )
    axes.axhline(GOOD, color='grey', linestyle='--', linewidth=1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.3)
    if kinds:
        axes.legend(fontsize=8, loc='lower right')
    figure.savefig(file)
