"""Results of whole runs as data, in one file for each task.

Only evaluations write to these files. Tables and plots in the documentation are made from them.
"""

from collections.abc import Iterable
from dataclasses import fields
import hashlib
import json
from pathlib import Path

from hilserl_core.contract.task import TaskSchema
from hilserl_learner.agent.config import AgentConfig
from hilserl_learner.training.options import LearnerOptions
from so101_node.durable import replace_file
from so101_node.errors import CellError

FIELDS = {
    'task': str,
    'world': str,
    'seed': int,
    'minutes_to_90': (int, float, type(None)),
    'success': (int, float),
    'episodes': int,
    'robot_minutes': (int, float),
    'graph': str,
    'config': str,
}
GRAPHS = ('ros', 'inprocess')
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


def config_hash(
    schema: TaskSchema, options: LearnerOptions, demos: int, agent: AgentConfig | None = None
) -> str:
    """Twelve hex digits of everything that decides how a run learns.

    demos: number of episodes; agent: the configuration in a checkpoint, because defaults may have
    changed since.
    """
    data = {name: getattr(options, name) for name in ALGORITHM}
    data |= {
        'task': schema.hash,
        'agent': (agent or options.config()).to_json(),
        'sigma': str(options.schedule()),
        'demos': demos,
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def options_of(settings: dict) -> LearnerOptions:
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


def read(file: Path) -> list[dict]:
    """Read the runs in a file; [] without a file. CellError if it is damaged."""
    try:
        runs = json.loads(file.read_text(encoding='utf-8'))['runs']
        for run in runs:
            _check(run)
        return runs
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CellError(f'results {file} are damaged: {error}') from error


def add(file: Path, run: dict) -> None:
    """Add a run to a file, or replace an earlier measurement of the same run."""
    _check(run)
    runs = [other for other in read(file) if _key(other) != _key(run)] + [run]
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, json.dumps({'runs': runs}, indent=1) + '\n')


def _key(run: dict) -> tuple:
    return tuple(
        run.get(name)
        for name in ('task', 'world', 'seed', 'graph', 'config', 'run', 'robot_minutes')
    )


def _check(run: dict) -> None:
    for name, kind in FIELDS.items():
        if name not in run or not isinstance(run[name], kind):
            raise CellError(f"a run's {name} is {run.get(name)!r}, which is of the wrong type")
    if run['graph'] not in GRAPHS:
        raise CellError(f"a run's graph is {run['graph']!r}; it is one of " + ', '.join(GRAPHS))


def markdown(runs: list[dict]) -> str:
    """Return a table for the documentation."""
    lines = [
        '| task | world | graph | seed | config | minutes to 90 % | success | of | at minute |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for run in sorted(
        runs, key=lambda r: (r['task'], r['world'], r['graph'], r['config'], r['seed'])
    ):
        to_90 = 'not reached' if run['minutes_to_90'] is None else f'{run["minutes_to_90"]:g}'
        lines.append(
            f'| {run["task"]} | {run["world"]} | {run["graph"]} | {run["seed"]} | '
            f'`{run["config"]}` | {to_90} | {100 * run["success"]:.0f} % | {run["episodes"]} | '
            f'{run["robot_minutes"]:.1f} |'
        )
    return '\n'.join(lines)


def draw(runs: list[dict], file: Path) -> None:
    """Draw success over robot minutes of all runs that have a curve, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 4.2), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    kinds = sorted({(r['world'], r['graph'], r['config']) for r in runs})
    for number, kind in enumerate(kinds):
        label = f'{kind[0]}, {kind[1]}, {kind[2]}'
        for run in runs:
            if (run['world'], run['graph'], run['config']) != kind or not run.get('curve'):
                continue
            points = [(m, s) for m, s, _ in run['curve']]
            axes.plot(*zip(*points), f'C{number}o-', markersize=3, linewidth=1, label=label)
            axes.plot([run['robot_minutes']], [run['success']], f'C{number}D', markersize=6)
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
