"""Learning in simulated time: each update is made when it is due in simulated time.

The same seed gives the same run. Bags, checkpoint and metrics have the formats of a ROS run, so
`./cell` can read and resume it.
"""

from collections.abc import Callable
from pathlib import Path
import threading

from hilserl_core.bags.recorder import Recorder
from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.inference import Policy
from hilserl_learner.training.checkpoints import Snapshot
from hilserl_learner.training.curves import open_curves
from hilserl_learner.training.options import LearnerOptions
from hilserl_learner.training.resume import start_run


class SimulatedLearner:
    """A run with its `trainer`. It passes each published policy to `offer(policy)`."""

    def __init__(
        self,
        schema: TaskSchema,
        directory: str | Path,
        options: LearnerOptions,
        offer: Callable[[Policy], None],
        log: Callable[[str], object],
    ):
        self._schema, self._options, self._offer = schema, options, offer
        self._run = start_run(schema, directory, options, log)
        self.trainer = self._run.trainer
        self.bundle = b''  # the last published policy
        self._published_at = 0.0  # simulated s
        run = self._run.directory
        self._curves = open_curves(options.logger, run.tensorboard, run.name, options.settings())
        self._recorder = Recorder(self._run.directory.bags, schema, log)
        self._recording = threading.Thread(target=self._recorder.run)
        self._recording.start()
        if self.trainer.has_new_policy:
            self._publish()

    def add_step(self, step: StepRecord) -> None:
        """Record a step and add it to the replay."""
        self._recorder.record(step)
        summary = self.trainer.add(step)
        self._curves.step(step)
        if summary:
            self._curves.episode(summary, self.trainer.recent.share, self.trainer.env_steps)

    def pretrain(self, progress: Callable[[], None] = lambda: None) -> None:
        """Make the updates before the first step, and publish the policy."""
        while self.trainer.pretrain_left:
            self.trainer.update()
            progress()
        if not self.trainer.version:
            self._publish()

    def run_due_updates(self, now: float) -> None:
        """Make all due updates. Publish a policy every `publish_period` simulated seconds."""
        while self.trainer.update_due:
            self.trainer.update()
        if now - self._published_at >= self._options.publish_period:
            self._published_at = now
            self._curves.updates(self.trainer.collect_metrics(), self.trainer.updates)
            if self.trainer.has_new_policy:
                self._publish()

    def _publish(self) -> None:
        self.bundle = self.trainer.next_policy()
        self._offer(Policy.from_bytes(self.bundle, self._schema.hash))

    def close(self) -> None:
        """Complete the bags and save a checkpoint."""
        self._recorder.finish()
        self._recording.join()
        try:
            saved = self._run.checkpoint.state.updates if self._run.checkpoint else 0
            if self.trainer.updates > saved:
                self._curves.updates(self.trainer.collect_metrics(), self.trainer.updates)
                self._run.checkpoints.save(Snapshot.of(self.trainer.agent), self.trainer.state())
        finally:
            self.trainer.close()
            self._curves.close()
            self._run.directory.release()
