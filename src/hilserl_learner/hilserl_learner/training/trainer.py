"""Learning without threads, clocks and disk: from steps to updates, policies and checkpoint state.

The owner of a Trainer decides when it learns. `Learner` does so in real time, the in-process
simulation in simulated time. The same calls in the same order give the same weights.
"""

from collections.abc import Callable

import numpy as np

from hilserl_core.bags.episode_list import row_of
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import pack
from hilserl_core.policy.exploration import schedule

from ..agent.algorithm import Algorithm, name_of
from ..agent.finite import not_finite
from ..replay.buffer import Replay
from ..replay.prefetch import Batches
from .checkpoint_state import TrainerState
from .checkpoints import Checkpoint, restore
from .episode_summary import EpisodeSummaries, EpisodeSummary
from .health import LIVE_STEPS, REFERENCE, Health
from .metrics import DETAILED_EVERY, NotFinite, UpdateMetrics
from .options import LearnerOptions
from .recent_success import RecentSuccess
from .update_pacer import Pacer


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
        agent: Algorithm,
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
        self.sigma = options.schedule().at(schema.rate)
        self._bc = schedule('bc', agent.config.bc, 0.0, 1000.0).at(schema.rate)
        self.health = Health(schema, agent.config)
        self.metrics: dict[str, float] = {}  # the latest ones, by name
        self._set_drift_reference()
        self._update_metrics = UpdateMetrics()
        self._summaries = EpisodeSummaries(schema)
        self.recent = RecentSuccess()
        self._policy_updates = -1  # updates of the last policy that `next_policy` returned

    @property
    def episodes(self) -> int:
        """Episodes of the run so far, without aborted and discarded ones."""
        return len(self.episode_ids)

    @property
    def state_name(self) -> str:
        """What it does: a state of so101_interfaces/msg/LearnerStatus, if it is not paused."""
        if self.pretrain_left:
            return 'PRETRAINING'
        if not self.pacer.ratio:
            return 'RECORDING'
        return 'TRAINING' if self.pacer.credited else 'WAITING'

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
        self._set_drift_reference()
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
            self.recent.add(step.episode_id, summary.alone)
        return summary

    def discard_episode(self, episode_id: str) -> None:
        """Forget a finished episode: later updates do not use it, and it does not count."""
        self._delete(episode_id)
        self.episode_ids.discard(episode_id)
        self.recent.change(episode_id, None)

    def _delete(self, episode_id: str) -> None:
        self.replay.delete_episode(episode_id)
        self.batches.discard_ahead()

    def replace_episode(self, steps: list[StepRecord]) -> str:
        """Replace an episode by these steps. Return '', or why the replay refused one."""
        refusal = self.replay.replace_episode(steps)
        self.batches.discard_ahead()
        row = row_of(steps)
        self.episode_ids.add(row.episode_id)
        self.recent.change(row.episode_id, row.alone)
        return refusal

    def update(self) -> None:
        """Update the agent once, even if no update is due."""
        train = self.agent.pretrain if self.pretrain_left else self.agent.update
        with self.batches.next() as batch:
            self._update_metrics.add(
                train(
                    batch,
                    self.sigma(self.env_steps),
                    self._bc(self.env_steps),
                    detailed=self.updates % DETAILED_EVERY == 0,
                    critic_only=self.updates < self._critic_warmup,
                ),
                batch,
            )
            self.agent.update_ema(
                self.agent.config.ema_tau_at(self.schema.rate, self.env_steps, self.updates)
            )
        self.updates += 1
        if not self.pretrain_left:
            self.pacer.updates += 1
            return
        self.pretrain_left -= 1
        if not self.pretrain_left:
            self.agent.keep_start()
            self._log('pretraining on demonstrations is complete; the policy may start')

    def collect_metrics(self) -> dict[str, float]:
        """Average the metrics of the updates since the last call; {} if there were none.

        The call waits for the device. It raises `NotFinite` if a loss is not finite.
        """
        self.metrics = self.metrics | {
            'sigma': self.sigma(self.env_steps),
            'bc_weight': self._bc(self.env_steps),
            'update_ratio': self.pacer.achieved,
            'success_alone_last_20': self.recent.share,
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

    def _set_drift_reference(self) -> None:
        """Sample the transitions with which live steps are compared, once, if there are enough.

        They are older than the live steps: a later sample would contain a drift.
        """
        if not self.health.drift.has_reference and len(self.replay) >= 2 * LIVE_STEPS:
            # a separate generator, so that this sample does not change the batches of the updates
            self.health.drift.set_reference(
                self.replay.sample(REFERENCE, False, np.random.default_rng(0))
            )

    def require_finite(self) -> None:
        """`NotFinite` if a weight is not finite. This waits for the device."""
        weights = {
            f'{part}.{name}': value
            for part, module in self.agent.modules().items()
            for name, value in module.state_dict().items()
        }
        if bad := not_finite(weights):
            raise NotFinite(
                f'learning broke down: after {self.updates:,} updates {len(bad)} of '
                f'{len(weights)} weights are not finite, first {bad[0]}; use a lower learning_rate'
            )

    def next_policy(self) -> bytes:
        """The EMA policy as a bundle with the next version; `NotFinite` if it is not finite."""
        self.require_finite()
        self.version += 1
        self._policy_updates = self.updates
        return pack(
            self.schema,
            self.agent.config.network,
            version=self.version,
            updates=self.updates,
            env_steps=self.env_steps,
            half=True,
            algorithm=name_of(self.agent),
            **self.agent.policy(),
        )

    def state(self) -> TrainerState:
        """The state for a checkpoint, without the agent's tensors.

        `NotFinite` if a weight is not finite: then there must be no checkpoint.
        """
        self.require_finite()
        return TrainerState(
            updates=self.updates,
            env_steps=self.env_steps,
            version=self.version,
            episodes=self.episodes,
            credited=self.pacer.credited,
            paced_updates=self.pacer.updates,
            rng=dict(self.batches.rng_state),
            options=self.options.settings(),
            outcomes=self.recent.outcomes,
            success=self.recent.share,
            success_episodes=len(self.recent),
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue a run from a checkpoint: agent, counters and random numbers.

        Steps of the run that are newer than the checkpoint make updates due.
        """
        state, ratio = checkpoint.state, self.options.update_ratio
        self.restore(checkpoint)
        self.batches.rng_state = state.rng
        self.updates, self.version = state.updates, state.version
        self.pretrain_left = max(self.pretrain_left - state.updates, 0)
        newer = self.env_steps - state.env_steps
        credited = state.credited and max(state.credited + newer, 1)
        # a changed ratio applies from now on: only the updates that were late remain due
        late = int(state.options.get('update_ratio', ratio) * state.credited) - state.paced_updates
        made = max(int(ratio * state.credited) - max(late, 0), 0)
        self.pacer = Pacer(ratio, credited, min(made, int(ratio * credited)))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore a checkpoint's networks, optimisers and outcomes. The counters do not change."""
        if sentence := restore(self.agent, checkpoint):
            self._log(sentence)
        self.recent.restart(checkpoint.state.outcomes)

    def close(self) -> None:
        """End the thread that samples batches."""
        self.batches.close()
