"""docs/results/tasks.json: one row for each evaluation of a run."""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hilserl_core.contract.success_interval import wilson
from so101_node.data_files import read_data
from so101_node.durable import make_private, replace_file

NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class TaskRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """An evaluation. method: cloning alone, learning without help, or with a human's help."""

    task: str
    world: str
    method: Literal['bc', 'rl', 'hil']
    seed: int
    episodes: Count
    successes: Count
    robot_minutes: NotNegative
    human_minutes: NotNegative  # of interventions, without demonstrations
    config: str

    def __post_init__(self) -> None:
        if self.successes > self.episodes:
            raise ValueError(f'{self.successes} successes in {self.episodes} episodes')


class TaskRows(msgspec.Struct, forbid_unknown_fields=True):
    """The file."""

    runs: list[TaskRow]


def read(file: Path) -> list[TaskRow]:
    """Read the rows of a file; [] without a file. CellError if it is damaged."""
    if not file.exists():
        return []
    return read_data(file, TaskRows, 'file of results', 'restore it from git').runs


def run_of(row: TaskRow) -> tuple[object, ...]:
    """Return what distinguishes runs: task, world, method, seed and configuration."""
    return row.task, row.world, row.method, row.seed, row.config


def has_run(file: Path, run: tuple[object, ...], minutes: float) -> bool:
    """Whether the file has this run up to these robot minutes (within 2 %)."""
    return any(run_of(r) == run and r.robot_minutes >= 0.98 * minutes for r in read(file))


def add(file: Path, rows: list[TaskRow]) -> None:
    """Add the evaluations of one run; they replace earlier ones of the same run and minute."""
    new = {(run_of(row), row.robot_minutes): row for row in rows}
    kept = [row for row in read(file) if (run_of(row), row.robot_minutes) not in new]
    runs = sorted([*kept, *new.values()], key=lambda r: (run_of(r), r.robot_minutes))
    make_private(file.parent)
    text = msgspec.json.format(msgspec.json.encode(TaskRows(runs)), indent=1).decode()
    replace_file(file, text + '\n')


METHODS = {'bc': 'cloning alone', 'rl': 'without help', 'hil': 'with help'}


def markdown(rows: list[TaskRow]) -> str:
    """Return a table for the documentation: a line for each run."""
    lines = [
        '| task | world | method | seed | config | during the run | at the end | 95 % interval | '
        'human minutes |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    for run, found in groupby(sorted(rows, key=lambda r: (*run_of(r), r.robot_minutes)), run_of):
        *earlier, last = found
        task, world, method, seed, config = run
        during = ', '.join(
            f'{r.successes} of {r.episodes} at {r.robot_minutes:g}' for r in earlier
        )
        low, high = wilson(last.successes, last.episodes)
        lines.append(
            f'| {task} | {world} | {METHODS[str(method)]} | {seed} | `{config}` | {during} | '
            f'{last.successes} of {last.episodes} at {last.robot_minutes:g} | '
            f'{100 * low:.0f} to {100 * high:.0f} % | {last.human_minutes:g} |'
        )
    return '\n'.join(lines)
