"""Reads a finished or running run for its report. It changes no file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.bags.episode_bag import contents, find_bags, start_time
from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.contract.steps import Outcome, Source, StepRecord, problem
from hilserl_core.contract.task import TaskSchema
from so101_node.data_files import decode
from so101_node.errors import CellError

from ..training.checkpoints import Checkpoints
from ..training.run_file import NAME, RunFile, read_run_file

MAX_PAUSE = 60.0  # s between two steps; after a longer pause the cell was not in use
STRIP_IMAGES = 10  # of one episode
EVALUATIONS = 'eval'


@dataclass
class EpisodeRow:
    """One episode of the run."""

    episode_id: str
    minutes: float  # robot minutes of the run at its end
    outcome: Outcome
    steps: int
    human_steps: int
    sigma: float  # mean of the policy's steps

    @property
    def alone(self) -> bool:
        """Whether the policy succeeded without help."""
        return self.outcome == Outcome.SUCCESS and not self.human_steps


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
    episodes: list[EpisodeRow] = field(default_factory=list)
    step_minutes: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(0)
    )  # robot minutes at each step, (N,)
    actions: dict[str, npt.NDArray[np.float32]] = field(
        default_factory=dict
    )  # by source: policy or human, (N, A)
    best: Strip | None = None  # fastest success without help, the latest of equals
    failed: Strip | None = None  # the last failure without help
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
    clock, fewest = _Clock(), np.inf
    minutes: list[float] = []
    actions: dict[str, list[npt.NDArray[np.float32]]] = {'policy': [], 'human': []}
    for bag in _bags(record):
        steps = _steps(bag, record)
        for step in steps:
            clock.advance(step.stamp)
            if not step.last:
                minutes.append(clock.minutes)
                actions['human' if step.source == Source.HUMAN else 'policy'].append(step.action)
        if not steps or steps[-1].outcome in (Outcome.NONE, Outcome.DISCARDED):
            continue
        row = _row(steps, clock.minutes)
        record.episodes.append(row)
        if row.alone and row.steps <= fewest:
            fewest, record.best = row.steps, _strip(row, steps)
        elif not row.human_steps and row.outcome != Outcome.SUCCESS:
            record.failed = _strip(row, steps)
    record.step_minutes = np.array(minutes)
    record.actions = {source: np.array(rows) for source, rows in actions.items() if rows}


def _bags(record: RunRecord) -> list[Path]:
    """The run's bags by time, without those that cannot be read."""
    found = []
    for bag in find_bags(record.path / 'bags'):
        try:
            found.append((start_time(bag), bag))
        except CellError as error:
            record.notes.append(f'{error}; it is not in the report')
    return [bag for _, bag in sorted(found)]


def _steps(bag: Path, record: RunRecord) -> list[StepRecord]:
    """The steps of a bag that fit the run's task, up to its damage."""
    steps: list[StepRecord] = []
    try:
        for _, _, content in contents([bag]):
            if isinstance(content, StepRecord) and not problem(content, record.schema):
                steps.append(content)
    except CellError as error:
        record.notes.append(f'{error}; its steps from there on are not in the report')
    return steps


class _Clock:
    """Robot minutes from stamps. Long pauses do not count."""

    def __init__(self) -> None:
        self.minutes = 0.0
        self._last: int | None = None

    def advance(self, stamp: int) -> None:
        passed = 0.0 if self._last is None else (stamp - self._last) * 1e-9
        self._last = stamp
        self.minutes += passed / 60.0 if 0.0 < passed < MAX_PAUSE else 0.0


def _row(steps: list[StepRecord], minutes: float) -> EpisodeRow:
    with_action = [step for step in steps if not step.last]
    sigma = [step.sigma for step in with_action if step.source == Source.POLICY]
    return EpisodeRow(
        steps[0].episode_id,
        minutes,
        Outcome(steps[-1].outcome),
        len(with_action),
        len(with_action) - len(sigma),
        float(np.mean(sigma)) if sigma else np.nan,
    )


def _strip(row: EpisodeRow, steps: list[StepRecord]) -> Strip:
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
