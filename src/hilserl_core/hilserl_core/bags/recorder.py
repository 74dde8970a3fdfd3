"""The thread that writes episodes to bags, so that the learner does not wait for the disk."""

from collections.abc import Callable
from pathlib import Path
import queue
import threading
import time

from rosbags.rosbag2 import WriterError

from so101_node.errors import CellError

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema
from .cdr import typestore
from .episode_bag import EpisodeBag, new_bag

FLUSH_PERIOD = 1.0  # s; a kill loses at most this much
MAX_OPEN = 8  # bags; a cell has one, and one more while an episode ends
LOG_PERIOD = 1.0  # s
IDLE = 60.0  # s without a step after which an episode's bag is completed
REMEMBERED = 200  # episodes of which `on_disk` tells the last step


class Recorder:
    """Keeps one open bag for each episode. One thread calls `run`; any may call `record`."""

    def __init__(self, parent: Path, schema: TaskSchema, log: Callable[[str], object]):
        self.bags = 0  # completed by this recorder
        self._parent, self._schema, self._log = parent, schema, log
        typestore()  # loading the definitions is slow: do it before the first step
        self._queue: queue.SimpleQueue[StepRecord | tuple[str, int] | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._crowded = -LOG_PERIOD  # when the log last said that too many bags are open, s
        self._open: dict[str, tuple[EpisodeBag, float]] = {}
        self._written: dict[str, int] = {}  # since the last flush
        # the last index of each recent episode that the death of this process cannot cost
        self.on_disk: dict[str, int] = {}

    def record(self, step: StepRecord) -> None:
        """Queue a step for writing."""
        self._queue.put(step)

    def skip(self, step: StepRecord) -> None:
        """Queue a step that is not written, so that `on_disk` goes on after it."""
        self._queue.put((step.episode_id, step.index))

    def wait(self, timeout: float) -> bool:
        """Wait until all steps queued so far are written; False after `timeout` (s)."""
        written = threading.Event()
        self._queue.put(written)
        return written.wait(timeout)

    def finish(self) -> None:
        """Tell `run` to write all queued steps, complete all bags and return."""
        self._queue.put(None)

    def run(self) -> None:
        """Write until `finish`; CellError if writing fails."""
        flushed = time.monotonic()
        try:
            while True:
                try:
                    step = self._queue.get(timeout=FLUSH_PERIOD / 4)
                    if step is None:
                        break
                    if isinstance(step, threading.Event):
                        step.set()
                    elif isinstance(step, tuple):
                        self._written[step[0]] = step[1]
                    else:
                        self._write(step)
                except queue.Empty:
                    pass
                now = time.monotonic()
                if now - flushed >= FLUSH_PERIOD:
                    flushed = now
                    self._flush_or_complete(now)
            for episode_id in list(self._open):
                self._complete(episode_id)
            self._note_on_disk()
        except (OSError, WriterError) as error:
            raise CellError(
                f'bags cannot be written to {self._parent}: {error}; all steps except those of '
                'the last second are saved; free some disk space and start the run again'
            ) from error

    def _write(self, step: StepRecord) -> None:
        bag, _ = self._open.get(step.episode_id, (None, 0.0))
        if bag is None:
            if len(self._open) >= MAX_OPEN:
                longest = min(self._open, key=lambda name: self._open[name][1])
                self._log_crowded(longest)
                self._complete(longest)
            bag = new_bag(self._parent, self._schema, step)
        self._open[step.episode_id] = (bag, time.monotonic())
        bag.write(step)
        self._written[step.episode_id] = step.index
        if step.last:
            self._complete(step.episode_id)

    def _log_crowded(self, episode_id: str) -> None:
        now = time.monotonic()
        if now - self._crowded >= LOG_PERIOD:
            self._crowded = now
            self._log(
                f'{MAX_OPEN} episodes have no last step: bag of episode {episode_id[:100]} '
                'completed; does another node publish steps?'
            )

    def _flush_or_complete(self, now: float) -> None:
        for episode_id, (bag, written) in list(self._open.items()):
            if now - written > IDLE:
                self._log(
                    f'episode {episode_id[:100]} had no step for {IDLE:.0f} s: bag completed'
                )
                self._complete(episode_id)
            else:
                bag.flush()
        self._note_on_disk()

    def _note_on_disk(self) -> None:
        """Publish what has been written, now that every bag is flushed or completed."""
        if self._written:
            older = {name: at for name, at in self.on_disk.items() if name not in self._written}
            newest = list((older | self._written).items())[-REMEMBERED:]
            self._written, self.on_disk = {}, dict(newest)  # other threads read it whole

    def _complete(self, episode_id: str) -> None:
        bag, _ = self._open.pop(episode_id)
        bag.close()
        self.bags += 1
