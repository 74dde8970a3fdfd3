"""Learning without threads, clocks and disk: from steps to updates, policies and checkpoint state.

The owner of a Trainer decides when it learns. `Learner` does so in real time, the in-process
simulation in simulated time. The same calls in the same order give the same weights.
"""

from collections import deque
from collections.abc import Callable

import numpy as np

from hilserl_core.bags.episode_list import row_of
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.exploration import schedule

from ..agent.drqv2 import Agent
from ..replay.buffer import Replay
from ..replay.prefetch import Batches
from .checkpoint_state import TrainerState
from .checkpoints import Checkpoint, restore
from .episode_summary import EpisodeSummaries, EpisodeSummary
from .health import LIVE_STEPS, REFERENCE, Health
from .metrics import DETAILED_EVERY, UpdateMetrics
from .options import LearnerOptions
from .update_pacer import Pacer

RECENT = 20  # episodes over which the success of the policy is measured


class Trainer:
    """An agent, its replay and the counters of a run.

    One thread calls the methods; other threads may read the attributes. `env_steps` and
    `episodes` (ids of those that count) are those of earlier steps of the run, which the replay
    already contains. `log` gets one sentence for each event that the operator should know.
    """

    def __init__(
        self,
        schema: TaskSchema,
        options: LearnerOptions,
        agent: Agent,
        replay: Replay,
        log: Callable[[str], object],
        env_steps: int = 0,
        episodes: set[str] | None = None,
    ):
        self.schema, self.options, self.agent, self.replay = schema, options, agent, replay
        self._log = log
        self.updates = self.version = 0  # version: of the last policy that `next_policy` returned
        self.env_steps = env_steps
        self.episode_ids = episodes or set()
        self.last_episode = ''  # id of the last episode that ended
        self.pacer = Pacer(options.update_ratio)
        self.batches = Batches(
            replay, np.random.default_rng(options.seed), options.batch_size, agent.device
        )
        # remaining updates on demonstrations before the first step of the run
        self.pretrain_left = 0 if env_steps else options.pretrain_count()
        self._critic_warmup = options.critic_warmup_count()
        self.sigma = options.schedule()
        self._bc = schedule('bc', agent.config.bc, 0.0, 1000.0)
        self._ema_tau = schedule('ema_tau', agent.config.ema_tau, 0.0, 1.0)
        self.health = Health(schema, agent.config)
        self.metrics: dict[str, float] = {}  # the latest ones, by name
        self._update_metrics = UpdateMetrics()
        self._summaries = EpisodeSummaries(schema)
        # the last episodes that count: id ('' before a resume), and success without help
        self._recent: deque[tuple[str, bool]] = deque(maxlen=RECENT)
        self._policy_updates = -1  # updates of the last policy that `next_policy` returned

    @property
    def success(self) -> float:
        """Share of the last `RECENT` episodes that succeeded without a human's help."""
        return self.recent_alone / max(self.recent_episodes, 1)

    @property
    def recent_episodes(self) -> int:
        """Number of the last episodes over which the success is measured."""
        return len(self._recent)

    @property
    def recent_alone(self) -> int:
        """Recent episodes that succeeded without a human's help."""
        return sum(alone for _, alone in self._recent)

    @property
    def episodes(self) -> int:
        """Episodes of the run so far, without aborted and discarded ones."""
        return len(self.episode_ids)

    @property
    def update_due(self) -> bool:
        """Whether an update is due: always in pretraining, later by the update ratio."""
        return self.pretrain_left > 0 or self.pacer.due()

    @property
    def has_new_policy(self) -> bool:
        """Whether `next_policy` would return other weights than the last time.

        False until pretraining is complete: the actor waits for the pretrained policy.
        """
        return not self.pretrain_left and self.updates > self._policy_updates

    def add(self, step: StepRecord, credit: bool = True) -> EpisodeSummary | None:
        """Add a step of the running episode to the replay; return a summary if it is the last.

        credit: whether the step makes updates due. A refused step is counted and logged. Episodes
        that are discarded or have impossible actions are deleted from the replay.
        """
        refusal = self.replay.add(step)
        if refusal and self.replay.rejected in (1, 10, 100, 1000):
            self._log(f'{self.replay.last_rejection} ({self.replay.rejected} refused so far)')
        if refusal:
            return None
        self.health.drift.add_live_step(step)
        if not step.last:
            self.env_steps += 1
            if credit and (self.pacer.credited or len(self.replay) >= self.options.min_steps):
                self.pacer.credited += 1
        if step.last:
            self.last_episode = step.episode_id
        summary = self._summaries.add_step(step)
        if summary is None:
            return None
        if summary.problem:
            self._log(f'episode {step.episode_id} is not in the replay: {summary.problem}')
        if summary.problem or summary.outcome == Outcome.DISCARDED:
            self._delete(step.episode_id)
        if summary.counts:
            self.episode_ids.add(step.episode_id)
            self._recent.append((step.episode_id, summary.alone))
        return summary

    def discard_episode(self, episode_id: str) -> None:
        """Forget a finished episode: later updates do not use it, and it does not count."""
        self._delete(episode_id)
        self.episode_ids.discard(episode_id)
        self._set_recent(episode_id, None)

    def _delete(self, episode_id: str) -> None:
        self.replay.delete_episode(episode_id)
        self.batches.discard_ahead()

    def replace_episode(self, steps: list[StepRecord]) -> str:
        """Replace an episode by these steps. Return '', or why the replay refused one."""
        refusal = self.replay.replace_episode(steps)
        self.batches.discard_ahead()
        row = row_of(steps)
        self.episode_ids.add(row.episode_id)
        self._set_recent(row.episode_id, row.alone)
        return refusal

    def _set_recent(self, episode_id: str, alone: bool | None) -> None:
        """Change the outcome of a recent episode; None removes it."""
        changed = [
            (name, alone if name == episode_id else known)
            for name, known in self._recent
            if name != episode_id or alone is not None
        ]
        self._recent.clear()
        self._recent.extend((name, bool(known)) for name, known in changed)

    def update(self) -> None:
        """Update the agent once, even if no update is due."""
        with self.batches.next() as batch:
            self._update_metrics.add(
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
        if not self.pretrain_left:
            self.pacer.updates += 1
            return
        self.pretrain_left -= 1
        if not self.pretrain_left:
            self._log('pretraining on demonstrations is complete; the policy may start')

    def collect_metrics(self) -> dict[str, float]:
        """Average the metrics of the updates since the last call; {} if there were none.

        The call waits for the device. It raises `NotFinite` if a loss is not finite.
        """
        self.metrics = self.metrics | {
            'sigma': self.sigma(self.env_steps),
            'bc_weight': self._bc(self.env_steps),
            'update_ratio': self.pacer.achieved,
            'success_alone_last_20': self.success,
            'replay_steps': len(self.replay),
            'prior_steps': self.replay.prior_size,
            'rejected_steps': self.replay.rejected,
        }
        collected = self._update_metrics.collect(self.updates)
        if collected is None:
            return {}
        had_warnings = bool(self.health.warnings)
        # metrics that are computed only every few updates keep their last value
        self.metrics = (
            self.metrics
            | collected.means
            | self.health.check(
                collected.critic_losses, collected.means, collected.last_batch, self.replay
            )
        )
        if self.health.warnings and not had_warnings:
            self._log(self.health.warnings[0])
        return self.metrics

    def refresh_drift_reference(self) -> None:
        """Sample the transitions with which live steps are compared, if there are enough."""
        if len(self.replay) > 2 * LIVE_STEPS:
            # a separate generator, so that this sample does not change the batches of the updates
            self.health.drift.set_reference(
                self.replay.sample(REFERENCE, False, np.random.default_rng(self.env_steps))
            )

    def next_policy(self) -> bytes:
        """The EMA policy as a bundle with the next version."""
        self.version += 1
        self._policy_updates = self.updates
        return pack(
            self.schema,
            self.agent.config.network,
            version=self.version,
            updates=self.updates,
            env_steps=self.env_steps,
            half=True,
            **self.agent.ema_policy,
        )

    def state(self) -> TrainerState:
        """The state for a checkpoint, without the agent's tensors."""
        return TrainerState(
            updates=self.updates,
            env_steps=self.env_steps,
            version=self.version,
            episodes=self.episodes,
            credited=self.pacer.credited,
            paced_updates=self.pacer.updates,
            rng=dict(self.batches.rng_state),
            options=self.options.settings(),
            outcomes=[alone for _, alone in self._recent],
            success=self.success,
            success_episodes=self.recent_episodes,
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue a run from a checkpoint: agent, counters and random numbers.

        Steps of the run that are newer than the checkpoint make updates due.
        """
        state, ratio = checkpoint.state, self.options.update_ratio
        self.restore(checkpoint)
        self.batches.rng_state = state.rng
        self.updates, self.version = state.updates, state.version
        self.pretrain_left = 0
        newer = self.env_steps - state.env_steps
        credited = state.credited and max(state.credited + newer, 1)
        # a changed ratio applies from now on
        self.pacer = Pacer(ratio, credited, min(state.paced_updates, int(ratio * credited)))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore a checkpoint's networks, optimisers and outcomes. The counters do not change."""
        if sentence := restore(self.agent, checkpoint):
            self._log(sentence)
        self._recent.clear()
        self._recent.extend(('', alone) for alone in checkpoint.state.outcomes)

    def close(self) -> None:
        """End the thread that samples batches."""
        self.batches.close()
