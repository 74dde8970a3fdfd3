"""run.yaml: the task of a run, and with which options it was started."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hilserl_core.contract.task import TaskSchema
from so101_node.data_files import read_data
from so101_node.durable import replace_file, writing

NAME = 'run.yaml'
RESUMED = 20  # starts with other options that the file remembers
_OF_ONE_START = ('run_for', 'cell_options', 'run_id')  # options that differ from start to start


class _WithoutAliases(yaml.SafeDumper):
    """Writes an object that occurs twice two times; aliases are refused when the file is read."""

    def ignore_aliases(self, data: object) -> bool:
        """Return whether an object is written in full."""
        return True


class Resumed(msgspec.Struct, forbid_unknown_fields=True):
    """A later start with other options: when (ISO 8601, UTC), and a line for each option."""

    at: str
    changed: list[str]


class RunFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The content of run.yaml. cell: node -> option -> value at the first start, or empty."""

    name: str
    task: str
    schema_hash: str
    settings: dict[str, Any]  # of the learner
    cell: dict[str, Any] = {}
    resumed: list[Resumed] = []
    schema: str

    @property
    def task_schema(self) -> TaskSchema:
        """The task; CellError if it is not one of this version."""
        return TaskSchema.from_json(self.schema)

    def note_changes(self, cell: dict[str, Any]) -> list[str]:
        """Note the options that differ from the first start; returns a line for each."""
        before = self.cell
        lines = [
            f'{node}.{name}: {before[node].get(name)} at first, {value} now'
            for node, values in cell.items()
            if isinstance(values, dict) and isinstance(before.get(node), dict)
            for name, value in values.items()
            if before[node].get(name) != value and name not in _OF_ONE_START
        ]
        if lines:
            now = datetime.now(UTC).isoformat(timespec='seconds')
            self.resumed = [*self.resumed, Resumed(now, lines)][-RESUMED:]
        return lines

    def options(self) -> dict[str, Any]:
        """Every option, by name: the learner's, then those of the cell as `node.name`."""
        return self.settings | {
            f'{node}.{name}': value
            for node, values in self.cell.items()
            if isinstance(values, dict)
            for name, value in values.items()
            if name not in self.settings and name != 'cell_options'
        }

    def write(self, directory: Path) -> None:
        """Write the file; at any moment the old or the new one is there. CellError if it fails."""
        text = yaml.dump(msgspec.to_builtins(self), Dumper=_WithoutAliases, sort_keys=False)
        with writing(directory / NAME, 'free some disk space, or take another runs_dir'):
            replace_file(directory / NAME, text)


def read_run_file(directory: Path) -> RunFile:
    """Read a run's file; CellError in one sentence if it is damaged."""
    return read_data(directory / NAME, RunFile, 'run', 'take another run name, or move it away')
