"""Reads a finished or running run for its report. It changes no file."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.bags.episode_list import (
    EpisodeRow,
    RobotClock,
    counts,
    episodes_by_time,
    row_of,
)
from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.contract.steps import Outcome, Source, StepRecord, problem
from hilserl_core.contract.task import TaskSchema
from so101_node.data_files import decode
from so101_node.errors import CellError

from ..training.checkpoints import Checkpoints
from ..training.run_file import NAME, RunFile, read_run_file

STRIP_IMAGES = 10  # of one episode
EVALUATIONS = 'eval'
REWARDED = 20  # last successes whose last image is shown


@dataclass(frozen=True)
class ReportedEpisode(EpisodeRow):
    """One episode of the run, and when it was."""

    minutes: float  # robot minutes of the run at its end
    sigma: float  # mean of the policy's steps


@dataclass
class Strip:
    """Images of the wrist camera from one episode."""

    title: str
    images: list[npt.NDArray[np.uint8]]  # (H, W, 3) uint8 each


@dataclass
class RunRecord:
    """The data of a run that its report shows."""

    path: Path
    file: RunFile
    schema: TaskSchema
    episodes: list[ReportedEpisode] = field(default_factory=list)
    step_minutes: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(0)
    )  # robot minutes at each step, (N,)
    actions: dict[str, npt.NDArray[np.float32]] = field(
        default_factory=dict
    )  # by source: policy or human, (N, A)
    best: Strip | None = None  # fastest success without help, the latest of equals
    failed: Strip | None = None  # the last failure without help
    # the last image of each success, which decided it, with the path of its bag
    rewarded: deque[tuple[Path, Strip]] = field(default_factory=lambda: deque(maxlen=REWARDED))
    curves: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)  # name -> (N, 2)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what could not be read
    agent: dict[str, Any] = field(default_factory=dict)  # configuration in the newest checkpoint

    def minutes_of(self, env_steps: int) -> float:
        """Robot minutes after that many steps."""
        if not len(self.step_minutes):
            return 0.0
        return float(self.step_minutes[min(env_steps, len(self.step_minutes)) - 1])


def read_run(path: Path) -> RunRecord:
    """Read a run's directory; CellError if it is not a run."""
    if not (path / NAME).is_file():
        raise CellError(f'{path} is not a run: it has no {NAME}; name a run (runs/NAME)')
    file = read_run_file(path)
    record = RunRecord(path, file, file.task_schema)
    _read_bags(record)
    record.curves = _read_curves(path / 'tensorboard')
    record.evaluations = read_evaluations(path)
    states = [s for s in Checkpoints(path / 'checkpoints').states().values() if s]
    if states:
        record.agent = decode(
            states[-1].agent_config,
            dict[str, Any],
            f'the agent configuration in the newest checkpoint of {path} is damaged',
        )
    return record


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """The reports in a run's `eval`, sorted by the steps that their policy had learned from."""
    found = []
    for file in (path / EVALUATIONS).glob(f'*/{REPORT}'):
        data = read_report(file.parent)
        if data['episodes']:
            found.append(data)
    return sorted(found, key=lambda data: data['policy_env_steps'])


def _read_bags(record: RunRecord) -> None:
    clock, fewest = RobotClock(), np.inf
    minutes: list[float] = []
    actions: dict[str, list[npt.NDArray[np.float32]]] = {'policy': [], 'human': []}
    bags = episodes_by_time(record.path / 'bags', record.notes.append)
    for bag, found in bags:
        steps = [step for step in found if not problem(step, record.schema)]
        for step in steps:
            clock.advance(step.stamp)
            if not step.last:
                minutes.append(clock.minutes)
                actions['human' if step.source == Source.HUMAN else 'policy'].append(step.action)
        if not steps or not counts(steps[-1].outcome):
            continue
        row = _row(steps, clock.minutes)
        record.episodes.append(row)
        if row.succeeded:
            last = Strip(f'minute {row.minutes:.1f}', [steps[-1].images[0]])
            record.rewarded.append((bag, last))
        if row.alone and row.steps <= fewest:
            fewest, record.best = row.steps, _strip(row, steps)
        elif not row.human_steps and row.outcome != Outcome.SUCCESS:
            record.failed = _strip(row, steps)
    record.step_minutes = np.array(minutes)
    record.actions = {source: np.array(rows) for source, rows in actions.items() if rows}


def _row(steps: list[StepRecord], minutes: float) -> ReportedEpisode:
    sigma = [step.sigma for step in steps if not step.last and step.source == Source.POLICY]
    mean = float(np.mean(sigma)) if sigma else np.nan
    return ReportedEpisode(**vars(row_of(steps)), minutes=minutes, sigma=mean)


def _strip(row: ReportedEpisode, steps: list[StepRecord]) -> Strip:
    chosen = np.unique(np.linspace(0, len(steps) - 1, STRIP_IMAGES).round().astype(int))
    return Strip(
        f'{row.outcome.name.lower()} after {row.steps} steps, minute {row.minutes:.1f}',
        [steps[i].images[0] for i in chosen],
    )


def _read_curves(directory: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Every scalar in TensorBoard: (N, 2), updates (or steps) and value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(directory.glob('events.*')):  # each start of the learner writes one
        events = EventAccumulator(str(file), size_guidance={'scalars': 0}).Reload()
        for name in events.Tags()['scalars']:
            found.setdefault(name, []).extend((e.step, e.value) for e in events.Scalars(name))
    return {name: np.array(sorted(points)) for name, points in found.items()}
