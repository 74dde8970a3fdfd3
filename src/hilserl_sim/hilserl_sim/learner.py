"""The learner without its threads: updates follow the steps one by one, in simulated time.

Everything it does is `Learner`'s own (begin, replay, judge, pacer, agent, bundles); only when it
does it is decided here, so that the same seed gives the same run.
"""

from collections.abc import Callable
from pathlib import Path
import threading

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Policy
from hilserl_learner.training.learner import Learner
from hilserl_learner.training.options import LearnerOptions


class SteppedLearner(Learner):
    """A `Learner` that `turn` drives; `offer(policy)` gets what an actor would load."""

    def __init__(
        self,
        schema: TaskSchema,
        directory: str | Path,
        options: LearnerOptions,
        offer: Callable[[Policy], None],
        log: Callable[[str], None],
    ):
        self.bundle = b''  # the last published
        self._offer = offer
        self._published_at = 0.0
        super().__init__(schema, directory, options, self._take_out, log)
        self._recording = threading.Thread(target=self.recorder.run)
        self._recording.start()

    def _take_out(self, data: bytes, *_) -> None:
        self.bundle = data
        self._offer(Policy.from_bytes(data, self.schema.hash))

    def learn_demonstrations(self, progress=lambda: None) -> None:
        """Make the updates that come before the first step, and publish what they gave."""
        while self._pretrain_left:
            self._update()
            progress()
        if not self.version:
            self._publish_policy()

    def turn(self, now: float) -> int:
        """Take in what has arrived, make every update that is due; returns how many.

        now: simulated s, by which a policy is published as often as in the graph.
        """
        self._take_in(0.0)
        count = 0
        while self.pacer.due():
            self._update()
            count += 1
        if now - self._published_at >= self.options.publish_period:
            self._published_at = now
            self._look()
            if self.updates > self._published_updates:
                self._publish_policy()
        return count

    def end(self) -> None:
        """Complete bags and checkpoint."""
        self.close(None, self._recording)
