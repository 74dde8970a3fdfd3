"""A run's learning in real time: a `Trainer` with threads, clocks and disk. No ROS.

One thread (`train`) owns the trainer; others write bags (`recorder.run`) and checkpoints. Other
threads only call `ingest`, `pause`, `save`, `roll_back` and `label`, and read attributes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
import os
from pathlib import Path
import queue
import threading
import time

import torch

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from .checkpoint_writer import CheckpointWriter
from .curves import open_curves
from .metrics import NotFinite
from .options import LearnerOptions
from .relabel import relabel
from .resume import start_run

METRICS_PERIOD = 1.0  # s between collections of the losses; each collection waits for the device
CLOSE_TIME = 8.0  # s that each thread has to end; an update on a busy machine takes long


class Learner:
    """One run's learning. `publish(data, version, updates, env_steps)` gets each policy.

    received: the index of the last step of each episode that was recorded before.
    """

    def __init__(
        self,
        schema: TaskSchema,
        directory: str | Path,
        options: LearnerOptions,
        publish: Callable[[bytes, int, int, int], None],
        log: Callable[[str], object],
    ):
        self._options, self._publish, self._log = options, publish, log
        started = start_run(schema, directory, options, log)
        self.run, self.trainer = started.directory, started.trainer
        self.received = started.received
        self.recorder = Recorder(self.run.bags, schema, log)
        self._checkpoints = CheckpointWriter(started.checkpoints)
        if started.checkpoint:
            self._checkpoints.resume(started.checkpoint)
        self._curves = open_curves(
            options.logger, self.run.tensorboard, self.run.name, options.settings()
        )
        self._arrived: queue.SimpleQueue[StepRecord] = queue.SimpleQueue()
        self._requests: queue.SimpleQueue[tuple[Callable[[Future[str]], None], Future[str]]] = (
            queue.SimpleQueue()
        )
        self._paused = self._failed = self._broken = False
        self._stop = threading.Event()
        if self.trainer.has_new_policy:  # else the actor waits for pretraining
            self._publish_policy()
        now = time.monotonic()
        self._due = {'publish': now, 'checkpoint': now, 'metrics': now}
        self._rate_mark = (now, self.trainer.updates)

    # from other threads

    def ingest(self, step: StepRecord) -> None:
        """Queue a step for training and recording."""
        self._arrived.put(step)

    def pause(self, paused: bool) -> None:
        """Pause or continue training. A pause does not stop recording or filling the replay."""
        self._paused = paused

    def save(self, timeout: float = 5.0) -> str:
        """Write a checkpoint now. Return its name, or '' after `timeout` (s)."""
        return self._request(self._save_checkpoint, timeout)

    def roll_back(self, timeout: float = 5.0) -> str:
        """Return to the best checkpoint. Return its name, or '' after `timeout` (s).

        The counters do not go back, so that later policies have newer versions.
        """
        return self._request(self._roll_back, timeout)

    def label(
        self, episode_id: str, outcome: Outcome, at: int | None, timeout: float = 5.0
    ) -> str:
        """Set the outcome of a finished episode ('': the last one); return a sentence.

        at: the time in the episode, ns; None: its end. CellError if there is no such episode or
        time.
        """

        def answer_request(answer: Future[str]) -> None:
            try:
                answer.set_result(
                    relabel(
                        self.run.bags,
                        self.trainer,
                        episode_id or self.trainer.last_episode,
                        outcome,
                        at,
                    )
                )
            except CellError as error:
                answer.set_exception(error)

        self.recorder.wait(timeout)  # the bag is completed shortly after its last step
        return self._request(answer_request, timeout)

    def _request(self, function: Callable[[Future[str]], None], timeout: float) -> str:
        answer: Future[str] = Future()
        self._requests.put((function, answer))
        try:
            return answer.result(timeout)
        except TimeoutError:
            return ''

    @property
    def checkpoint(self) -> str:
        """Name of the newest checkpoint on disk."""
        return self._checkpoints.last

    @property
    def state(self) -> str:
        """What it does: one of the states of so101_interfaces/msg/LearnerStatus."""
        if self._failed:
            return 'FAILED'
        return 'PAUSED' if self._paused else self.trainer.state_name

    def updates_per_s(self) -> float:
        """Updates per second since the last call."""
        before, updates = self._rate_mark
        now = time.monotonic()
        self._rate_mark = (now, self.trainer.updates)
        return (self.trainer.updates - updates) / max(now - before, 1e-3)

    # the training thread

    def train(self) -> None:
        """Receive steps, update, publish and save until `close`."""
        os.nice(5)  # this thread and torch's threads: the control loop has priority
        torch.set_num_threads(self._options.threads)
        trainer = self.trainer
        if trainer.pretrain_left:
            self._log(f'{trainer.pretrain_left:,} updates on demonstrations before the first step')
        try:
            while not self._stop.is_set():
                due = not self._paused and trainer.update_due
                self._receive_steps(0.0 if due else 0.05)
                if due:
                    trainer.update()
                self._run_periodic_work()
        except Exception as error:
            self._failed = True
            if not isinstance(error, MemoryError) and not (
                isinstance(error, RuntimeError) and 'memory' in str(error)
            ):
                raise
            raise CellError(
                f'memory ran out after {trainer.updates:,} updates; {self._last_good()}; reduce '
                'memory_gb or batch_size'
            ) from error

    def _receive_steps(self, wait: float, learn: bool = True) -> None:
        try:
            step = self._arrived.get(timeout=wait) if wait else self._arrived.get_nowait()
            while True:
                if learn:
                    self._add_step(step)
                else:
                    self.recorder.record(step)
                step = self._arrived.get_nowait()
        except queue.Empty:
            pass

    def _add_step(self, step: StepRecord) -> None:
        refused = self.trainer.replay.rejected
        summary = self.trainer.add(step, credit=not self._paused)
        if self.trainer.replay.rejected == refused:
            self.recorder.record(step)
            self._curves.step(step)
        else:
            self.recorder.skip(step)
        if summary:
            self._curves.episode(summary, self.trainer.recent.share, self.trainer.env_steps)

    def _run_periodic_work(self) -> None:
        now, options, due = time.monotonic(), self._options, self._due
        trainer = self.trainer
        self._checkpoints.check()
        if now - due['metrics'] >= METRICS_PERIOD:
            due['metrics'] = now
            self._write_metrics()
        if not trainer.pretrain_left and (
            now - due['publish'] >= options.publish_period or not trainer.version
        ):
            due['publish'] = now
            if trainer.has_new_policy:
                self._write_metrics()
                self._publish_policy()
        if (
            now - due['checkpoint'] >= options.checkpoint_period
            and trainer.updates > self._checkpoints.saved_updates
            and not self._checkpoints.busy
        ):
            self._save_checkpoint()
        while not self._requests.empty():
            function, answer = self._requests.get()
            function(answer)

    def _write_metrics(self) -> None:
        with self._noting_what_is_not_finite():
            metrics = self.trainer.collect_metrics()
        self._curves.updates(metrics, self.trainer.updates)

    @contextmanager
    def _noting_what_is_not_finite(self) -> Iterator[None]:
        try:
            yield
        except NotFinite as error:
            self._broken = True
            raise NotFinite(f'{error}; {self._last_good()}') from error

    def _last_good(self) -> str:
        return (
            f'the last good policy is version {self.trainer.version}, the last good checkpoint '
            f'{self.checkpoint or "none"}'
        )

    def _publish_policy(self) -> None:
        trainer = self.trainer
        with self._noting_what_is_not_finite():
            data = trainer.next_policy()
        self.run.version = trainer.version
        self._publish(data, trainer.version, trainer.updates, trainer.env_steps)

    def _save_checkpoint(self, answer: Future[str] | None = None) -> None:
        self._write_metrics()
        self._due['checkpoint'] = time.monotonic()
        with self._noting_what_is_not_finite():
            state = self.trainer.state()
        self._checkpoints.save(self.trainer.agent, state, answer)

    def _roll_back(self, answer: Future[str]) -> None:
        checkpoint = self._checkpoints.best()
        if checkpoint is None:
            answer.set_result('')
            return
        self.trainer.restore(checkpoint)
        self._publish_policy()
        self._save_checkpoint()  # a restart must also continue from here
        self._log(
            f'rolled back to checkpoint {checkpoint.directory.name}, published as version '
            f'{self.trainer.version}'
        )
        answer.set_result(checkpoint.directory.name)

    def close(self, train: threading.Thread | None, record: threading.Thread | None) -> None:
        """End both threads, complete the bags and save. CellError if the disk is full.

        This takes a few hundred ms. If an update does not end, no checkpoint is made: the update
        changes the weights meanwhile.
        """
        self._stop.set()
        if train:
            train.join(CLOSE_TIME)
        updating = train is not None and train.is_alive()
        if updating:
            self._log(
                f'the last update has not ended within {CLOSE_TIME:g} s; no checkpoint is saved; '
                + self._last_good()
            )
        self._receive_steps(0.0, learn=not updating)
        self.recorder.finish()
        if record:
            record.join(CLOSE_TIME)
        checkpoints = self._checkpoints
        try:
            # save after a failure too, except after a loss that is not finite or a failed write
            if self.trainer.updates > checkpoints.saved_updates and not (
                updating or self._broken or checkpoints.failed
            ):
                self._save_checkpoint()
        finally:
            if not updating:  # its thread samples for it
                self.trainer.close()
            self._curves.close()
            checkpoints.close()
            self.run.release()
