"""The learner: steps in, policies and checkpoints out. No ROS.

One thread (`train`) owns replay and agent; others write bags (`recorder.run`) and checkpoints
(`saver`). Other threads only call `ingest`, `pause`, `save`, `roll_back` and read figures.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
import os
from pathlib import Path
import queue
import threading
import time

import numpy as np
import torch

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.exploration import schedule
from so101_node.errors import CellError

from ..replay.prefetch import Batches
from .checkpoint_writer import Saver
from .checkpoints import Checkpoints, restore
from .episode_summary import Judge
from .health import LIVE_STEPS, REFERENCE, Health
from .metrics import DETAILED_EVERY, BrokenDown, Curves
from .options import LearnerOptions
from .relabel import relabel
from .resume import begin
from .run_directory import RunDirectory

METRICS_PERIOD = 1.0  # s between looks at the losses, each of which waits for the device
DRIFT_PERIOD = 10.0  # s between looks at what training sees


class Learner:
    """One run's learning. `publish(data, version, updates, env_steps)` sends a policy out."""

    def __init__(
        self,
        schema: TaskSchema,
        directory: str | Path,
        options: LearnerOptions,
        publish: Callable[[bytes, int, int, int], None],
        log: Callable[[str], None],
    ):
        self.schema, self.options = schema, options
        self._publish, self._log = publish, log
        torch.set_num_threads(options.threads)
        self.sigma, config = options.schedule(), options.config()
        options.require_sources()
        self._pretrain_left, self._critic_warmup = (
            options.pretrain_count(),
            options.critic_warmup_count(),
        )
        self.run = RunDirectory(directory, schema)
        self.recorder = Recorder(self.run.bags, schema, log)
        self.message = ''
        checkpoints = Checkpoints(self.run.checkpoints)
        checkpoints.remove_left_overs()
        self.saver = Saver(checkpoints)
        self._arrived: queue.SimpleQueue[StepRecord] = queue.SimpleQueue()
        self._asked: queue.SimpleQueue[tuple[Callable[[Future], None], Future]] = (
            queue.SimpleQueue()
        )
        self._judge = Judge(schema)
        self._finished = ''  # the last episode that came to its end
        self._paused = self._failed = self._broken = False
        self._stop = threading.Event()
        begun = begin(schema, options, config, self.run, checkpoints, log)
        self.agent, self.replay, self.pacer = begun.agent, begun.replay, begun.pacer
        self._batches = Batches(self.replay, begun.rng, options.batch_size, self.agent.device)
        self.updates, self.env_steps, self.version, self._episodes = (
            begun.updates,
            begun.env_steps,
            begun.version,
            begun.episodes,
        )
        if begun.checkpoint:
            self.saver.resume(begun.checkpoint)
        if begun.checkpoint or begun.env_steps:
            self._pretrain_left = 0
        self._bc = schedule('bc', self.agent.config.bc, 0.0, 1000.0)
        self._ema_tau = schedule('ema_tau', self.agent.config.ema_tau, 0.0, 1.0)
        self.health = Health(schema, self.agent.config)
        self.curves = Curves(self.run.tensorboard, self.health)
        self._published_updates = -1
        if not self._pretrain_left:  # else the actor waits for what is learned first
            self._publish_policy()
        now = time.monotonic()
        self._due = {'publish': now, 'checkpoint': now, 'metrics': now, 'drift': now}
        self._rate_mark = (now, self.updates)

    # from other threads

    def ingest(self, step: StepRecord) -> None:
        """Hand over a step."""
        self._arrived.put(step)

    def pause(self, paused: bool) -> None:
        """Stop or go on training; steps are taken in all the while."""
        self._paused = paused

    def save(self, timeout: float = 5.0) -> str:
        """Have a checkpoint written now; returns its name, or '' if that took too long."""
        return self._ask(self._save_checkpoint, timeout)

    def roll_back(self, timeout: float = 5.0) -> str:
        """Go back to the best checkpoint; returns its name, or '' if that took too long.

        Counters go on, so that what follows is newer than what it replaces.
        """
        return self._ask(self._roll_back, timeout)

    def label(
        self, episode_id: str, outcome: Outcome, at: int | None, timeout: float = 5.0
    ) -> str:
        """Say how a finished episode ('': the last one) came out; returns a sentence.

        at: ns, the moment; None: its end. CellError if there is no such episode or moment.
        """

        def answered(answer: Future) -> None:
            try:
                answer.set_result(
                    relabel(self.run.bags, self.replay, episode_id or self._finished, outcome, at)
                )
                self._batches.forget()
            except CellError as error:
                answer.set_exception(error)

        self.recorder.wait(timeout)  # its bag is complete a moment after its last step
        return self._ask(answered, timeout)

    def _ask(self, what: Callable[[Future], None], timeout: float) -> str:
        answer: Future[str] = Future()
        self._asked.put((what, answer))
        try:
            return answer.result(timeout)
        except TimeoutError:
            return ''

    @property
    def checkpoint(self) -> str:
        """Name of the last one on disk."""
        return self.saver.last

    @property
    def state(self) -> str:
        """WAITING, TRAINING, PAUSED or FAILED."""
        if self._failed:
            return 'FAILED'
        if self._paused:
            return 'PAUSED'
        return 'TRAINING' if self.pacer.credited or self._pretrain_left else 'WAITING'

    @property
    def episodes(self) -> int:
        """Episodes of this run so far."""
        return len(self._episodes)

    def updates_per_s(self) -> float:
        """Since the last call."""
        then, updates = self._rate_mark
        now = time.monotonic()
        self._rate_mark = (now, self.updates)
        return (self.updates - updates) / max(now - then, 1e-3)

    # the training thread

    def train(self) -> None:
        """Take in, update, publish and save until `close`."""
        os.nice(5)  # this thread (and torch's below it): the control loop comes first
        torch.set_num_threads(self.options.threads)
        if self._pretrain_left:
            self._say(f'{self._pretrain_left:,} updates on demonstrations before the first step')
        try:
            while not self._stop.is_set():
                due = not self._paused and (self._pretrain_left > 0 or self.pacer.due())
                self._take_in(0.0 if due else 0.05)
                if due:
                    self._update()
                self._keep_time()
        except Exception as error:
            self._failed, self._broken = True, isinstance(error, BrokenDown)
            if not isinstance(error, MemoryError) and not (
                isinstance(error, RuntimeError) and 'memory' in str(error)
            ):
                raise
            raise CellError(
                f'memory ran out after {self.updates:,} updates; {self._last_good()}; make '
                'memory_gb or batch_size smaller'
            ) from error

    def _take_in(self, wait: float) -> None:
        try:
            step = self._arrived.get(timeout=wait) if wait else self._arrived.get_nowait()
            while True:
                self._take(step)
                step = self._arrived.get_nowait()
        except queue.Empty:
            pass

    def _take(self, step: StepRecord) -> None:
        reason = self.replay.add(step)
        if reason and self.replay.rejected in (1, 10, 100, 1000):
            self._say(f'{self.replay.last_rejection} ({self.replay.rejected} refused so far)')
        if step.schema_hash != self.schema.hash:
            return
        self.recorder.record(step)
        self.health.drift.look(step)
        self._episodes.add(step.episode_id)
        if not step.last:
            self.env_steps += 1
            if not self._paused and (
                self.pacer.credited or len(self.replay) >= self.options.min_steps
            ):
                self.pacer.credited += 1
        if reason:
            return
        if step.last:
            self._finished = step.episode_id
        judgement = self._judge.take(step)
        if judgement is None:
            return
        if judgement.problem:
            self._say(f'episode {step.episode_id} is not learned from: {judgement.problem}')
        if judgement.problem or judgement.discarded:
            self.replay.delete_episode(step.episode_id)
            self._batches.forget()
        scalars = judgement.scalars
        for name, value in scalars.items():
            self.curves.scalar(f'episode/{name}', value, self.env_steps)
        if scalars:
            self.saver.judge(scalars['success'] == 1.0, scalars['human_share'])

    def _update(self) -> None:
        with self._batches.next() as batch:
            self.curves.add(
                self.agent.update(
                    batch,
                    self.sigma(self.env_steps),
                    self._bc(self.env_steps),
                    detailed=self.updates % DETAILED_EVERY == 0,
                    critic_only=self.updates < self._critic_warmup,
                ),
                batch,
            )
            self.agent.update_ema(self._ema_tau(self.env_steps))
        self.updates += 1
        if not self._pretrain_left:
            self.pacer.updates += 1
            return
        self._pretrain_left -= 1
        if not self._pretrain_left:
            self._say('demonstrations are learned; the policy may begin')

    def _keep_time(self) -> None:
        now, options = time.monotonic(), self.options
        self.saver.attend()
        if now - self._due['drift'] >= DRIFT_PERIOD and len(self.replay) > 2 * LIVE_STEPS:
            self._due['drift'] = now
            # a generator of its own: watching does not change what is sampled
            self.health.drift.learn_from(
                self.replay.sample(REFERENCE, False, np.random.default_rng(self.env_steps))
            )
        if now - self._due['metrics'] >= METRICS_PERIOD:
            self._due['metrics'] = now
            self._look()
        if not self._pretrain_left and (
            now - self._due['publish'] >= options.publish_period or not self.version
        ):
            self._due['publish'] = now
            if self.updates > self._published_updates:
                self._look()
                self._publish_policy()
        if (
            now - self._due['checkpoint'] >= options.checkpoint_period
            and self.updates > self.saver.saved_updates
            and not self.saver.busy
        ):
            self._save_checkpoint()
        while not self._asked.empty():
            what, answer = self._asked.get()
            what(answer)

    def _look(self) -> None:
        before = self.health.warnings
        self.curves.metrics |= {
            'sigma': self.sigma(self.env_steps),
            'bc_weight': self._bc(self.env_steps),
            'update_ratio': self.pacer.achieved,
            'success': self.saver.success,
            'replay_steps': len(self.replay),
            'prior_steps': self.replay.prior_size,
            'rejected_steps': self.replay.rejected,
        }
        self.curves.look(self.updates, self.replay, self._last_good())
        if self.health.warnings and not before:
            self._say(self.health.warnings[0])

    def _last_good(self) -> str:
        return (
            f'the last good policy is version {self.version}, the last good checkpoint '
            f'{self.checkpoint or "none"}'
        )

    def _publish_policy(self) -> None:
        self.version += 1
        self.run.version = self.version
        self._published_updates = self.updates
        agent = self.agent
        self._publish(
            pack(
                self.schema,
                agent.config.network,
                version=self.version,
                updates=self.updates,
                env_steps=self.env_steps,
                half=True,
                **agent.ema_policy,
            ),
            self.version,
            self.updates,
            self.env_steps,
        )

    def _save_checkpoint(self, answer: Future | None = None) -> None:
        self._look()
        self._due['checkpoint'] = time.monotonic()
        self.saver.save(
            self.agent,
            {
                'updates': self.updates,
                'env_steps': self.env_steps,
                'version': self.version,
                'episodes': len(self._episodes),
                'credited': self.pacer.credited,
                'paced_updates': self.pacer.updates,
                'rng': self._batches.rng_state,
                'options': asdict(self.options),
            },
            answer,
        )

    def _roll_back(self, answer: Future) -> None:
        checkpoint = self.saver.roll_back()
        if checkpoint is None:
            answer.set_result('')
            return
        restore(self.agent, checkpoint)
        self._publish_policy()
        self._save_checkpoint()  # a restart goes on from here too
        self._say(
            f'rolled back to checkpoint {checkpoint.directory.name}, published as version '
            f'{self.version}'
        )
        answer.set_result(checkpoint.directory.name)

    def _say(self, sentence: str) -> None:
        self.message = sentence
        self._log(sentence)

    def close(self, train: threading.Thread | None, record: threading.Thread | None) -> None:
        """End both threads, complete the bags, save; a few hundred ms. CellError as in save."""
        self._stop.set()
        if train:
            train.join(2.0)
        self._take_in(0.0)
        self.recorder.finish()
        if record:
            record.join(2.0)
        try:
            # after a failure too: all but what broke down, and what the disk does not take
            if self.updates > self.saver.saved_updates and not (self._broken or self.saver.failed):
                self._save_checkpoint()
        finally:
            self._batches.close()
            self.curves.close()
            self.saver.close()
            self.run.release()
