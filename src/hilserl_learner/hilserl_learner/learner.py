"""The learner: steps in, policies and checkpoints out. No ROS.

One thread (`train`) owns replay, agent and checkpoints; another (`recorder.run`) the bags. Other
threads only call `ingest`, `pause`, `save` and `status`.
"""
from collections.abc import Callable
from dataclasses import asdict, dataclass
import os
from pathlib import Path
import queue
import threading
import time

import numpy as np
from so101_description.errors import CellError
import torch
from torch.utils.tensorboard import SummaryWriter

from .agent import Agent
from .algorithm import AgentConfig
from .checkpoints import Checkpoints, restore
from .judge import Judge
from .loading import adopt_policy, load_demonstrations, load_run
from .pacing import Pacer
from .policy import pack
from .recorder import Recorder
from .replay import Replay
from .run_directory import RunDirectory
from .schedules import sigma_schedule
from .steps import StepRecord
from .task import TaskSchema

METRICS_PERIOD = 1.0    # s between looks at the losses, each of which waits for the device


@dataclass(frozen=True)
class LearnerOptions:
    """What a person sets; meanings stand with the node's parameters."""

    start: str = 'scratch'
    demos: tuple[str, ...] = ()
    pretrained: str = ''
    sigma: str = ''
    update_ratio: float = 1.0
    batch_size: int = 64
    min_steps: int = 200
    checkpoint_period: float = 60.0
    publish_period: float = 2.0
    device: str = 'cpu'
    threads: int = 1
    seed: int = 0
    memory_gb: float = 1.0


class Learner:
    """One run's learning. `publish(data, version, updates, env_steps)` sends a policy out."""

    def __init__(self, schema: TaskSchema, directory: str | Path, options: LearnerOptions,
                 publish: Callable[[bytes, int, int, int], None], log: Callable[[str], None]):
        self.schema, self.options = schema, options
        self._publish, self._log = publish, log
        torch.set_num_threads(options.threads)
        self.sigma = sigma_schedule(options.start, options.sigma)
        if (options.start == 'demos') != bool(options.demos) and options.start != 'pretrained':
            raise CellError(
                f'start is {options.start} and demos is {",".join(options.demos)!r}; '
                'demonstrations go with start:=demos, and start:=demos needs some')
        if (options.start == 'pretrained') != bool(options.pretrained):
            raise CellError(
                f'start is {options.start} and pretrained is {options.pretrained!r}; a policy '
                'bundle goes with start:=pretrained, and start:=pretrained needs one')
        self.run = RunDirectory(directory, schema)
        self.recorder = Recorder(self.run.bags, schema, log)
        self.updates = self.env_steps = self.version = 0
        self.checkpoint = ''        # name of the last one
        self.message = ''
        self.metrics: dict[str, float] = {}
        self._checkpoints = Checkpoints(self.run.checkpoints)
        self._arrived: queue.SimpleQueue[StepRecord] = queue.SimpleQueue()
        self._judge = Judge(schema)
        self._pending: list[dict[str, torch.Tensor]] = []
        self._paused = self._failed = False
        self._stop = threading.Event()
        self._save_asked, self._saved = threading.Event(), threading.Event()
        self._rng = np.random.default_rng(options.seed)
        self._begin_or_resume()
        self._saved_updates = self.updates
        self._board = SummaryWriter(str(self.run.tensorboard))
        self._published_updates = -1
        self._publish_policy()
        now = time.monotonic()
        self._due = {'publish': now, 'checkpoint': now, 'metrics': now}
        self._rate_mark = (now, self.updates)

    def _begin_or_resume(self) -> None:
        options, run = self.options, self.run
        checkpoint, sentences = self._checkpoints.newest()
        for sentence in sentences:
            self._log(f'{sentence}; the one before it is used')
        config = checkpoint.config if checkpoint else AgentConfig()
        self.agent = Agent(self.schema, config, options.device, options.seed)
        self.replay = Replay.within(
            options.memory_gb, self.schema, frame_stack=config.network.frame_stack,
            n_step=config.n_step, discount=config.discount)
        if options.demos:
            load_demonstrations([Path(d).expanduser() for d in options.demos], self.replay,
                                self._log)
        loaded = load_run(run.bags, self.replay, self._log)
        self.env_steps, self._episodes = loaded.env_steps, loaded.episodes
        self.pacer = Pacer(options.update_ratio)
        if checkpoint:
            state = checkpoint.state
            restore(self.agent, checkpoint)
            self._rng.bit_generator.state = state['rng']
            self.updates, self.version = state['updates'], state['version']
            self.checkpoint = checkpoint.directory.name
            missed = self.env_steps - state['env_steps']
            credited = state['credited'] and max(state['credited'] + missed, 1)
            # a changed ratio holds from here on
            self.pacer = Pacer(
                options.update_ratio, credited,
                min(state['paced_updates'], int(options.update_ratio * credited)))
            if missed:
                self._log(f'the checkpoint knew {state["env_steps"]:,} steps, the bags hold '
                          f'{self.env_steps:,}: ' + (
                              'the newer ones are learned from now' if missed > 0
                              else 'bags are missing'))
        elif options.pretrained:
            self._log(adopt_policy(self.agent, Path(options.pretrained), self.schema))
        # policies published after the last checkpoint are known only from the steps they decided
        self.version = max(self.version, loaded.policy_version)
        if run.exists:
            source = f'checkpoints/{self.checkpoint}' if checkpoint else 'no checkpoint'
            self._log(
                f'resumed run {run.name}: {self.updates:,} updates, {self.env_steps:,} steps, '
                f'{len(self._episodes):,} episodes, version {self.version}, from {source} and '
                f'{loaded.bags:,} bags')
            if run.settings.get('start') != options.start:
                self._log(f'run {run.name} was started with start:={run.settings.get("start")}, '
                          f'now it is {options.start}: sigma is {self.sigma}')
        else:
            run.begin(self.schema, asdict(options) | {'demos': list(options.demos)})
            self._log(f'new run {run.name} in {run.path}: start {options.start}, '
                      f'sigma {self.sigma}, replay of {self.replay.capacity:,} steps')

    # from other threads

    def ingest(self, step: StepRecord) -> None:
        """Hand over a step."""
        self._arrived.put(step)

    def pause(self, paused: bool) -> None:
        """Stop or go on training; steps are taken in all the while."""
        self._paused = paused

    def save(self, timeout: float = 5.0) -> str:
        """Have a checkpoint written now; returns its name, or '' if that took too long."""
        self._saved.clear()
        self._save_asked.set()
        return self.checkpoint if self._saved.wait(timeout) else ''

    @property
    def state(self) -> str:
        """WAITING, TRAINING, PAUSED or FAILED."""
        if self._failed:
            return 'FAILED'
        if self._paused:
            return 'PAUSED'
        return 'TRAINING' if self.pacer.credited else 'WAITING'

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
        os.nice(5)      # this thread (and torch's below it): the control loop comes first
        torch.set_num_threads(self.options.threads)
        try:
            while not self._stop.is_set():
                due = not self._paused and self.pacer.due()
                self._take_in(0.0 if due else 0.05)
                if due:
                    self._update()
                self._keep_time()
        except Exception:
            self._failed = True
            raise

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
        self._episodes.add(step.episode_id)
        if not step.last:
            self.env_steps += 1
            if not self._paused and (
                    self.pacer.credited or len(self.replay) >= self.options.min_steps):
                self.pacer.credited += 1
        if reason:
            return
        judgement = self._judge.take(step)
        if judgement is None:
            return
        if judgement.problem:
            self._say(f'episode {step.episode_id} is not learned from: {judgement.problem}')
        if judgement.problem or judgement.discarded:
            self.replay.delete_episode(step.episode_id)
        for name, value in judgement.scalars.items():
            self._board.add_scalar(f'episode/{name}', value, self.env_steps)

    def _update(self) -> None:
        batch = self.replay.sample_half(self.options.batch_size, self._rng)
        self._pending.append(self.agent.update(batch, self.sigma(self.env_steps)))
        self.updates += 1
        self.pacer.updates += 1

    def _keep_time(self) -> None:
        now, options = time.monotonic(), self.options
        if now - self._due['metrics'] >= METRICS_PERIOD:
            self._due['metrics'] = now
            self._look_at_metrics()
        if now - self._due['publish'] >= options.publish_period:
            self._due['publish'] = now
            if self.updates > self._published_updates:
                self._look_at_metrics()
                self._publish_policy()
        if self._save_asked.is_set() or (
                now - self._due['checkpoint'] >= options.checkpoint_period
                and self.updates > self._saved_updates):
            self._due['checkpoint'] = now
            self._save_asked.clear()
            self._write_checkpoint()
            self._saved.set()

    def _look_at_metrics(self) -> None:
        """Average what came since the last look; CellError if learning has broken down."""
        if not self._pending:
            return
        names = list(self._pending[0])
        values = torch.stack([torch.stack([m[n] for n in names]) for m in self._pending])
        self._pending.clear()
        self.metrics = dict(zip(names, values.float().mean(0).tolist()))
        bad = [name for name, value in self.metrics.items() if not np.isfinite(value)]
        if bad:
            raise CellError(
                f'learning broke down: {", ".join(bad)} not finite after {self.updates:,} '
                f'updates; the last good policy is version {self.version}, the last good '
                f'checkpoint {self.checkpoint or "none"}')
        for name, value in (self.metrics | {
                'sigma': self.sigma(self.env_steps), 'update_ratio': self.pacer.achieved,
                'replay_steps': len(self.replay), 'prior_steps': self.replay.prior_size}).items():
            self._board.add_scalar(f'learner/{name}', value, self.updates)

    def _publish_policy(self) -> None:
        self.version += 1
        self._published_updates = self.updates
        self._publish(self._bundle(), self.version, self.updates, self.env_steps)

    def _bundle(self) -> bytes:
        agent = self.agent
        return pack(self.schema, agent.config.network, agent.encoder, agent.actor, self.version,
                    self.updates, self.env_steps)

    def _write_checkpoint(self) -> None:
        self._look_at_metrics()
        self._saved_updates = self.updates
        self.checkpoint = self._checkpoints.save(self.agent, self._bundle(), {
            'updates': self.updates, 'env_steps': self.env_steps, 'version': self.version,
            'episodes': len(self._episodes), 'credited': self.pacer.credited,
            'paced_updates': self.pacer.updates, 'rng': self._rng.bit_generator.state,
            'options': asdict(self.options)}).name

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
        if not self._failed and self.updates > self._saved_updates:
            self._write_checkpoint()
        self._board.close()
        self.run.release()
