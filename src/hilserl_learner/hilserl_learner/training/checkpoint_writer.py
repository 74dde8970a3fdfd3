"""Writes checkpoints in a separate thread. Training waits only for the copy in memory."""

from concurrent.futures import Future, ThreadPoolExecutor
import os
from pathlib import Path

from ..agent.algorithm import Algorithm
from .checkpoint_state import TrainerState
from .checkpoints import Checkpoint, Checkpoints, Snapshot, load


class CheckpointWriter:
    """Writes the checkpoints of one run. The training thread calls all methods."""

    def __init__(self, checkpoints: Checkpoints):
        self.last = ''  # name of the newest one on disk
        self.saved_updates = 0  # of the newest one, on disk or being written
        self.failed = False  # the last one could not be written
        self._checkpoints = checkpoints
        self._writing: list[tuple[Future[Path], Future[str] | None]] = []
        # lower priority than training, which has lower priority than the control loop
        self._thread = ThreadPoolExecutor(1, 'saver', initializer=lambda: os.nice(5))

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue after this checkpoint."""
        self.last = checkpoint.directory.name
        self.saved_updates = checkpoint.state.updates

    @property
    def busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return bool(self._writing)

    def save(
        self, agent: Algorithm, state: TrainerState, answer: Future[str] | None = None
    ) -> None:
        """Copy the agent now and write it later; `answer` gets the name when it is on disk."""
        self.saved_updates = state.updates
        self._writing.append(
            (self._thread.submit(self._checkpoints.save, Snapshot.of(agent), state), answer)
        )

    def check(self) -> None:
        """Process the results of finished writes; CellError if one failed."""
        while self._writing and self._writing[0][0].done():
            written, answer = self._writing.pop(0)
            self.failed = written.exception() is not None
            self.last = written.result().name
            if answer:
                answer.set_result(self.last)

    def best(self) -> Checkpoint | None:
        """The best checkpoint, or the newest if none has enough episodes; None if there is none.

        This waits for the disk.
        """
        self.finish()
        name = self._checkpoints.best() or self.last
        return load(self._checkpoints.directory / name) if name else None

    def finish(self) -> None:
        """Wait until all checkpoints are on disk."""
        for written, _ in self._writing:
            written.exception()
        self.check()

    def close(self) -> None:
        """Finish all writes and end the thread."""
        self._thread.shutdown(wait=True)
        self.check()
