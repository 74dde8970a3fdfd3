"""One run's directory: bags, checkpoints, tensorboard, run.yaml, and a lock.

The lock is a kernel lock (flock). It is released when its process ends, for any reason.
"""

import fcntl
import os
from pathlib import Path

from hilserl_core.contract.task import TaskSchema
from so101_node.durable import replace_file
from so101_node.errors import CellError

from .run_file import NAME, RunFile, read_run_file


def refuse_if_in_use(path: str | Path) -> None:
    """CellError if a process uses this run directory. This changes no file."""
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
            f'run {name} is in use by process {owner}; end it first, or use another run name'
        ) from None


class RunDirectory:
    """A run's directory. It is made if necessary, and locked until this process ends."""

    def __init__(self, path: str | Path, schema: TaskSchema):
        self.path = Path(path).expanduser().resolve()
        self.name = self.path.name
        self.bags = self.path / 'bags'
        self.checkpoints = self.path / 'checkpoints'
        self.tensorboard = self.path / 'tensorboard'
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
        self.exists = (self.path / NAME).exists()
        if self.exists:
            self._require(schema)

    def _require(self, schema: TaskSchema) -> None:
        recorded = read_run_file(self.path)
        self.settings = recorded.settings
        lines = schema.differences(recorded.task_schema)
        if lines:
            raise CellError(
                f'run {self.name} is of another task; '
                + '; '.join(lines)
                + '; use another run name'
            )

    def begin(self, schema: TaskSchema, settings: dict, cell: dict | None = None) -> None:
        """Write run.yaml of a new run: the task, and the options of learner and whole cell."""
        self.settings = dict(settings)
        RunFile(
            name=self.name,
            task=schema.name,
            schema_hash=schema.hash,
            settings=self.settings,
            cell=cell or {},
            schema=schema.canonical(),
        ).write(self.path)
        self.exists = True

    def resume(self, cell: dict) -> list[str]:
        """Record options that differ from the run's start in run.yaml. Return a line for each."""
        file = read_run_file(self.path)
        lines = file.note_changes(cell)
        if lines:
            file.write(self.path)
        return lines

    @property
    def version(self) -> int:
        """The last published policy version, if known. The next one must be newer.

        Checkpoint and steps may not include a version that was published just before a kill. An
        actor that received it refuses older ones.
        """
        try:
            return int((self.path / 'version').read_text())
        except (OSError, ValueError):
            return 0

    @version.setter
    def version(self, version: int) -> None:
        try:
            # No actor survives a power cut either, so syncing is not necessary.
            replace_file(self.path / 'version', f'{version}\n', synced=False)
        except OSError:
            pass  # the writers of bags and checkpoints report a full disk

    def release(self) -> None:
        """Unlock the run for other processes."""
        self._lock.close()
