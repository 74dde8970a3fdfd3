"""Loads the learner's weights for the control loop.

A second thread loads them. It holds Python's lock for some ms, so it starts just after the loop
has acted. The loop changes its policy between two ticks.
"""

from collections.abc import Callable
from dataclasses import dataclass
import threading

import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.inference import Policy
from hilserl_core.policy.weights import weights_from_cdr, weights_run_id
from so101_node.errors import CellError
from so101_node.guarded import reason
from so101_node.refusals import Refusals
from so101_node.run_id import RunFilter

from ..loop.control import ControlLoop


@dataclass(frozen=True)
class WeightsTopic:
    """What the node knows of the topic. on_adopted: called after another run was adopted."""

    senders: Callable[[], str]  # names of its publishers
    has_one_publisher: Callable[[], bool]
    on_adopted: Callable[[], object]


class WeightsSubscriber:
    """Offers each published policy of the run to the loop; only the latest if they arrive fast.

    The executor's thread calls `on_message`, a thread of its own runs `load`, and the loop sets
    `acted`. since: ns of the ROS clock when the node started; a latched message may be older.

    An actor without a run id of its own takes that of the first good policy. It changes to
    another run only if its learner is the only publisher: it was started again.
    """

    def __init__(
        self,
        schema: TaskSchema,
        loop: ControlLoop,
        since: int,
        run: RunFilter,
        refusals: Refusals,
        topic: WeightsTopic,
    ):
        self._schema, self._loop, self._since = schema, loop, since
        self._run, self._refusals, self._topic = run, refusals, topic
        self._message = b''  # the newest message of the run, serialised
        self._active_run: str | None = None  # of the last policy that was offered
        self._arrived = threading.Event()
        self.acted = threading.Event()  # set just after a tick

    def on_message(self, message: bytes) -> None:
        """Store a serialised message for the loading thread; CellError if it is of another run.

        It must not replace the own learner's message, which may still wait.
        """
        run_id = weights_run_id(message)
        known = bool(self._run.run_id) and not self._may_adopt(run_id)
        if known and (why := self._run.problem(run_id)):
            raise CellError(why)
        self._message = message
        self._arrived.set()

    def _may_adopt(self, run_id: str) -> bool:
        return bool(run_id) and not self._run.given and self._topic.has_one_publisher()

    def load(self) -> None:
        """Load each message that arrives; never returns."""
        # With the loop's priority: a thread that waits for a core keeps Python's lock.
        torch.set_num_threads(1)
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self.acted.clear()
            self.acted.wait()
            message, active = self._message, self._loop.policy
            version = 'unknown'
            try:
                published = weights_from_cdr(message)
                version = str(published.version)
                same_run = published.run_id == self._active_run
                policy = Policy.from_bytes(
                    published.bundle,
                    self._schema.hash,
                    active.version if active and same_run else -1,
                )
            except Exception as error:  # a bundle of others can break anything
                self._refusals.add(
                    f'weights version {version}', reason(error), self._topic.senders
                )
                continue
            self._active_run = published.run_id
            if self._run.adopt(published.run_id):
                self._topic.on_adopted()
            self._loop.offer(
                policy,
                published.stamp if published.stamp > self._since else 0,
                published.env_steps,
            )
