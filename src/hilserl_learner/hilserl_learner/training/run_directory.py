"""One run's directory: bags, checkpoints, tensorboard, run.yaml, and a lock.

The lock is a kernel lock (flock). It is released when its process ends, for any reason.
"""

import fcntl
import os
from pathlib import Path
from typing import Any, TextIO

from hilserl_core.contract.task import TaskSchema
from so101_node.durable import make_private, replace_file
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, file_size, read_bytes, reason

from .run_file import NAME, RunFile, read_run_file
from .start_check import require_task_of_run

MAX_LOCK = 100  # bytes of a file that holds one number


def refuse_if_in_use(path: str | Path) -> None:
    """CellError if a process uses this run directory. This changes no file."""
    lock = _resolved(path) / 'lock'
    if not lock.exists():
        return
    file_size(lock, 'lock', MAX_LOCK, 'take another run name')
    try:
        with open(lock, encoding='ascii', errors='replace') as file:
            _lock(file, lock.parent.name, fcntl.LOCK_SH)
    except OSError as error:
        raise CellError(f'run directory {lock.parent} cannot be used: {error}') from error


def _lock(file: TextIO, name: str, kind: int) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or 'unknown'
        raise CellError(
            f'run {name} is in use by process {owner}; end it first, or use another run name'
        ) from None


def _resolved(path: str | Path) -> Path:
    try:
        return expanded(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
        raise CellError(f'run directory {path} cannot be used: {reason(error)}') from error


class RunDirectory:
    """A run's directory. It is made if necessary, and locked until this process ends."""

    def __init__(self, path: str | Path, schema: TaskSchema):
        self.path = _resolved(path)
        self.name = self.path.name
        self.bags = self.path / 'bags'
        self.checkpoints = self.path / 'checkpoints'
        self.tensorboard = self.path / 'tensorboard'
        try:
            for directory in (self.bags, self.checkpoints, self.tensorboard):
                make_private(directory)
            self._lock = open(self.path / 'lock', 'a+', encoding='ascii')  # noqa: SIM115  held
            _lock(self._lock, self.name, fcntl.LOCK_EX)
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(f'{os.getpid()}\n')
            self._lock.flush()
            self.exists = (self.path / NAME).exists()
        except OSError as error:
            raise CellError(
                f'run directory {self.path} cannot be used: {error}; take another run name or '
                'runs_dir'
            ) from error
        if self.exists:
            require_task_of_run(self.path, schema)
            self.settings = read_run_file(self.path).settings

    def begin(
        self, schema: TaskSchema, settings: dict[str, Any], cell: dict[str, Any] | None = None
    ) -> None:
        """Write run.yaml of a new run: the task, and the options of learner and whole cell."""
        self.settings = dict(settings)
        RunFile(
            name=self.name,
            task=schema.name,
            schema_hash=schema.hash,
            settings=self.settings,
            cell=cell or {},
            schema=schema.to_json(),
        ).write(self.path)
        self.exists = True

    def resume(self, cell: dict[str, Any]) -> list[str]:
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
            return int(read_bytes(self.path / 'version', 'version', MAX_LOCK))
        except (CellError, ValueError):
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
