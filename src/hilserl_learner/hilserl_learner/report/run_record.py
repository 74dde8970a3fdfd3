"""What a finished or running run left behind, read back for its report. Changes nothing."""

from dataclasses import dataclass, field
import json
from pathlib import Path

import numpy as np
import yaml

from hilserl_core.bags.episode_bag import bags_by_time, contents
from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from ..training.checkpoints import Checkpoints

PAUSE = 60.0  # s between two steps beyond which the cell stood still
FRAMES = 10  # of an episode's strip
EVALUATIONS = 'eval'


@dataclass
class EpisodeRow:
    """One episode of the run."""

    episode_id: str
    minutes: float  # of the robot, when it ended
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
    """What the wrist camera saw of an episode."""

    title: str
    frames: list[np.ndarray]  # (H, W, 3) uint8 each


@dataclass
class RunRecord:
    """A run as its report needs it."""

    path: Path
    settings: dict  # run.yaml, without the schema
    schema: TaskSchema
    episodes: list[EpisodeRow] = field(default_factory=list)
    step_minutes: np.ndarray = field(default_factory=lambda: np.zeros(0))  # of each step, (N,)
    actions: dict[str, np.ndarray] = field(default_factory=dict)  # by who decided, (N, A)
    best: Strip | None = None  # quickest success without help, the latest of its kind
    failed: Strip | None = None  # the last failure without help
    curves: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (N, 2)
    evaluations: list[dict] = field(default_factory=list)
    agent: dict = field(default_factory=dict)  # configuration in the newest checkpoint

    def minutes_of(self, env_steps: int) -> float:
        """Robot minutes after so many steps."""
        if not len(self.step_minutes):
            return 0.0
        return float(self.step_minutes[min(env_steps, len(self.step_minutes)) - 1])


def read_run(path: Path) -> RunRecord:
    """Read a run's directory; CellError if it is none."""
    try:
        data = yaml.safe_load((path / 'run.yaml').read_text(encoding='utf-8'))
        schema = TaskSchema.from_json(data.pop('schema'))
    except (OSError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise CellError(f'{path} is no run: its run.yaml cannot be read ({error})') from error
    record = RunRecord(path, data, schema)
    _read_bags(record)
    record.curves = _read_curves(path / 'tensorboard')
    record.evaluations = read_evaluations(path)
    states = [s for s in Checkpoints(path / 'checkpoints').states().values() if s]
    if states:
        record.agent = json.loads(states[-1]['agent_config'])
    return record


def read_evaluations(path: Path) -> list[dict]:
    """The reports in a run's `eval`, by the steps that their policy had learned from."""
    found = []
    for file in (path / EVALUATIONS).glob(f'*/{REPORT}'):
        data = read_report(file.parent)
        if data['episodes']:
            found.append(data)
    return sorted(found, key=lambda data: data['policy_env_steps'])


def _read_bags(record: RunRecord) -> None:
    clock, minutes, quickest = _Clock(), [], np.inf
    actions: dict[str, list] = {'policy': [], 'human': []}
    for bag in bags_by_time(record.path / 'bags'):
        steps = [content for _, _, content in contents([bag]) if isinstance(content, StepRecord)]
        for step in steps:
            clock.go(step.stamp)
            if not step.last:
                minutes.append(clock.minutes)
                actions['human' if step.source == Source.HUMAN else 'policy'].append(step.action)
        if not steps or steps[-1].outcome in (Outcome.NONE, Outcome.DISCARDED):
            continue
        row = _row(steps, clock.minutes)
        record.episodes.append(row)
        if row.alone and row.steps <= quickest:
            quickest, record.best = row.steps, _strip(row, steps)
        elif not row.human_steps and row.outcome != Outcome.SUCCESS:
            record.failed = _strip(row, steps)
    record.step_minutes = np.array(minutes)
    record.actions = {who: np.array(rows) for who, rows in actions.items() if rows}


class _Clock:
    """Robot minutes from stamps; what stood still between two of them does not count."""

    def __init__(self):
        self.minutes, self._last = 0.0, None

    def go(self, stamp: int) -> None:
        passed = 0.0 if self._last is None else (stamp - self._last) * 1e-9
        self._last = stamp
        self.minutes += passed / 60.0 if 0.0 < passed < PAUSE else 0.0


def _row(steps: list[StepRecord], minutes: float) -> EpisodeRow:
    acted = [step for step in steps if not step.last]
    sigma = [step.sigma for step in acted if step.source == Source.POLICY]
    return EpisodeRow(
        steps[0].episode_id,
        minutes,
        Outcome(steps[-1].outcome),
        len(acted),
        len(acted) - len(sigma),
        float(np.mean(sigma)) if sigma else np.nan,
    )


def _strip(row: EpisodeRow, steps: list[StepRecord]) -> Strip:
    shown = np.unique(np.linspace(0, len(steps) - 1, FRAMES).round().astype(int))
    return Strip(
        f'{row.outcome.name.lower()} after {row.steps} steps, minute {row.minutes:.1f}',
        [steps[i].images[0] for i in shown],
    )


def _read_curves(directory: Path) -> dict[str, np.ndarray]:
    """Every scalar that the learner drew: (N, 2) updates (or steps) and value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, list] = {}
    for file in sorted(directory.glob('events.*')):  # one of each start
        events = EventAccumulator(str(file), size_guidance={'scalars': 0}).Reload()
        for name in events.Tags()['scalars']:
            found.setdefault(name, []).extend((e.step, e.value) for e in events.Scalars(name))
    return {name: np.array(sorted(points)) for name, points in found.items()}
