"""One run's directory: bags, checkpoints, tensorboard, run.yaml, and a lock.

The lock is the kernel's (flock): it is gone when its process is, however that ended.
"""

from datetime import UTC, datetime
import fcntl
import os
from pathlib import Path

import yaml

from hilserl_core.contract.task import TaskSchema
from so101_node.durable import replace_file
from so101_node.errors import CellError

RESUMED = 20  # starts with other options that run.yaml remembers
_OF_ONE_START = ('run_for', 'cell_options')  # what may differ each time without a word


def refuse_if_in_use(path: str | Path) -> None:
    """CellError if a process holds this run directory. Makes and changes nothing."""
    try:
        with open(Path(path) / 'lock', encoding='ascii') as file:
            _lock(file, Path(path).name, fcntl.LOCK_SH)
    except FileNotFoundError:
        pass


def _lock(file, name: str, kind: int) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or 'unknown'
        raise CellError(
            f'run {name} is in use by process {owner}; end it first, or take another run name'
        ) from None


class RunDirectory:
    """A run's directory, made if need be and held by this process until it ends."""

    def __init__(self, path: str | Path, schema: TaskSchema):
        self.path = Path(path).expanduser().resolve()
        self.name = self.path.name
        self.bags = self.path / 'bags'
        self.checkpoints = self.path / 'checkpoints'
        self.tensorboard = self.path / 'tensorboard'
        self._file = self.path / 'run.yaml'
        try:
            for directory in (self.bags, self.checkpoints, self.tensorboard):
                directory.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / 'lock', 'a+', encoding='ascii')  # noqa: SIM115  held
        except OSError as error:
            raise CellError(f'run directory {self.path} cannot be used: {error}') from error
        _lock(self._lock, self.name, fcntl.LOCK_EX)
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(f'{os.getpid()}\n')
        self._lock.flush()
        self.exists = self._file.exists()
        if self.exists:
            self._require(schema)

    def _require(self, schema: TaskSchema) -> None:
        try:
            data = yaml.safe_load(self._file.read_text())
            recorded = TaskSchema.from_json(data['schema'])
            self.settings = dict(data['settings'])
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, CellError) as error:
            raise CellError(f'{self._file} is damaged: {error}') from error
        lines = schema.differences(recorded)
        if lines:
            raise CellError(
                f'run {self.name} is of another task; '
                + '; '.join(lines)
                + '; take another run name'
            )

    def begin(self, schema: TaskSchema, settings: dict, cell: dict | None = None) -> None:
        """Write run.yaml of a new run: the task, and what learner and whole cell started with."""
        self.settings = dict(settings)
        self._write(
            {
                'name': self.name,
                'task': schema.name,
                'schema_hash': schema.hash,
                'settings': self.settings,
                'cell': cell or {},
                'resumed': [],
                'schema': schema.canonical(),
            }
        )
        self.exists = True

    def resume(self, cell: dict) -> list[str]:
        """Note in run.yaml with which other options the cell goes on; returns a line for each."""
        data = yaml.safe_load(self._file.read_text(encoding='utf-8'))
        before = data.get('cell', {})
        lines = [
            f'{node}.{name}: {before[node].get(name)} at first, {value} now'
            for node, values in cell.items()
            if isinstance(values, dict) and isinstance(before.get(node), dict)
            for name, value in values.items()
            if before[node].get(name) != value and name not in _OF_ONE_START
        ]
        if lines:
            now = datetime.now(UTC).isoformat(timespec='seconds')
            data['resumed'] = [*data.get('resumed', []), {'at': now, 'changed': lines}][-RESUMED:]
            self._write(data)
        return lines

    def _write(self, data: dict) -> None:
        replace_file(self._file, yaml.safe_dump(data, sort_keys=False))

    @property
    def version(self) -> int:
        """The last policy version that went out, as far as known: the next one must be newer.

        Neither checkpoint nor steps know a policy that was published just before a kill, and an
        actor that has it refuses older ones.
        """
        try:
            return int((self.path / 'version').read_text())
        except (OSError, ValueError):
            return 0

    @version.setter
    def version(self, version: int) -> None:
        try:
            # An actor that is still there after a power cut: none. So it need not be synced.
            replace_file(self.path / 'version', f'{version}\n', synced=False)
        except OSError:
            pass  # writing bags and checkpoints reports a full disk

    def release(self) -> None:
        """Unlock the run for other processes."""
        self._lock.close()
