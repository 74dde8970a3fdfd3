"""The report of an import: a table for a person, JSON for a program."""

from collections import Counter
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError


class Spread:
    """Mean and standard deviation of rows that are added as (N, D) arrays."""

    def __init__(self, size: int):
        self.count, self._sum, self._squares = 0, np.zeros(size), np.zeros(size)

    def add(self, rows: npt.NDArray[np.floating]) -> None:
        """Add rows."""
        self.count += len(rows)
        self._sum += rows.sum(0)
        self._squares += (rows.astype(np.float64) ** 2).sum(0)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """One value for each column."""
        return self._sum / max(self.count, 1)

    @property
    def std(self) -> npt.NDArray[np.float64]:
        """One value for each column."""
        variance: npt.NDArray[np.float64] = self._squares / max(self.count, 1) - self.mean**2
        std: npt.NDArray[np.float64] = np.sqrt(variance.clip(0.0))
        return std


@dataclass
class Report:
    """The import of one bag. Call `add_episode` for each written episode."""

    bag: str  # or dataset
    task: str
    schema: TaskSchema
    source: str  # what separated the episodes: marks, motion, recorded steps
    actions_from: Counter[str] = field(default_factory=Counter)
    gripper_from: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    steps: int = 0  # with an action
    gaps: int = 0  # pairs of neighbouring steps that are more than a period apart
    dropped: int = 0  # ticks without an image or joint state near enough in time
    saturated: int = 0  # action components beyond +-1
    periods: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0  # episodes, on purpose
    cut: set[str] = field(default_factory=set)  # episodes that the set clock cut
    what: str = 'bag'

    def __post_init__(self) -> None:
        self._actions, self._brightness = Spread(len(self.schema.action_names)), Spread(1)

    def leave_out(self, note: str) -> None:
        """Note an episode that is left out on purpose."""
        self.left_out += 1
        self.notes.append(note)

    def add_episode(self, steps: list[StepRecord], saturated: int) -> None:
        """Add an imported episode."""
        with_action = [step for step in steps if not step.last]
        self.outcomes[Outcome(steps[-1].outcome).name.lower()] += 1
        self.steps += len(with_action)
        self.gaps += int((np.diff([s.index for s in steps]) > 1).sum())
        self.periods += np.diff([s.stamp for s in steps]).tolist()
        self.saturated += saturated
        self._actions.add(np.array([step.action for step in with_action]))
        self._brightness.add(
            np.array([[np.mean([image.mean() for image in step.images])] for step in steps])
        )

    def data(self) -> dict[str, Any]:
        """The report as plain values."""
        median = float(np.median(self.periods)) if self.periods else 0.0
        names = self.schema.action_names
        return {
            'bag': self.bag,
            'task': self.task,
            'schema_hash': self.schema.hash,
            'episodes': sum(self.outcomes.values()),
            'episodes_from': self.source,
            'labels': {('unlabelled' if k == 'none' else k): n for k, n in self.outcomes.items()},
            'steps': self.steps,
            'rate_hz': round(1e9 / median, 2) if median else 0.0,
            'gaps': self.gaps,
            'dropped_ticks': self.dropped,
            'actions_from': dict(self.actions_from),
            'gripper_from': dict(self.gripper_from),
            'action_mean': dict(zip(names, self._actions.mean.round(3).tolist())),
            'action_std': dict(zip(names, self._actions.std.round(3).tolist())),
            'saturated_share': round(self.saturated / max(self.steps * len(names), 1), 4),
            'brightness_mean': round(float(self._brightness.mean[0]), 1),
            'brightness_std': round(float(self._brightness.std[0]), 1),
            'notes': self.notes,
        }

    def table(self) -> Table:
        """The report for a terminal."""
        table = Table(title=f'import of {self.bag}', show_header=False)
        for name, value in self.data().items():
            if name == 'bag':
                continue
            if isinstance(value, dict):
                value = ', '.join(f'{key}: {item}' for key, item in value.items())
            elif isinstance(value, list):
                value = '\n'.join(value)
            elif name == 'schema_hash':
                value = value[:8]
            table.add_row(
                name.replace('_', ' '), f'{value:,}' if isinstance(value, int) else str(value)
            )
        return table

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        try:
            file.write_text(json.dumps(self.data(), indent=1) + '\n')
        except OSError as error:
            raise CellError(f'the report of the import cannot be written: {error}') from error
