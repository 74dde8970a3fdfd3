"""Loads the learner's weights for the control loop.

A second thread loads them. It holds Python's lock for some ms, so it starts just after the loop
has acted. The loop changes its policy between two ticks.
"""

from collections.abc import Callable
import threading

import torch

from hilserl_core.contract.task import TaskSchema
from hilserl_core.policy.bundle import Policy
from hilserl_core.policy.weights import weights_from_cdr
from so101_node.errors import CellError

from ..loop.control import ControlLoop


class WeightsSubscriber:
    """Offers each published policy to the loop; if they arrive too fast, only the latest.

    The executor's thread calls `on_message`, a thread of its own runs `load`, and the loop sets
    `acted`. since: ns of the ROS clock when the node started; a latched message may be older.
    """

    def __init__(
        self, schema: TaskSchema, loop: ControlLoop, since: int, log_error: Callable[[str], object]
    ):
        self._schema, self._loop, self._since = schema, loop, since
        self._log_error = log_error
        self._message = b''  # the newest message, serialised
        self._arrived = threading.Event()
        self.acted = threading.Event()  # set just after a tick

    def on_message(self, message: bytes) -> None:
        """Store a serialised message for the loading thread."""
        self._message = message
        self._arrived.set()

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
                policy = Policy.from_bytes(
                    published.bundle, self._schema.hash, active.version if active else -1
                )
            except CellError as error:
                self._log_error(f'weights version {version} refused: {error}')
                continue
            self._loop.offer(
                policy,
                published.stamp if published.stamp > self._since else 0,
                published.env_steps,
            )
