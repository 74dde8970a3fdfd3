"""The learner's weights on their way to the loop.

Loading them takes its time in a thread of its own, which begins when the loop has just acted: it
has Python's lock for some ms. The loop takes a policy between two ticks.
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
    """Offers each published policy to the loop, the latest if they come too fast.

    `on_message` is for the executor's thread, `load` is a thread of its own, `acted` is set by
    the loop. since: ns of the ROS clock when the node started; what is latched may be older.
    """

    def __init__(
        self, schema: TaskSchema, loop: ControlLoop, since: int, log_error: Callable[[str], object]
    ):
        self._schema, self._loop, self._since = schema, loop, since
        self._log_error = log_error
        self._message = b''  # the newest, serialised
        self._arrived = threading.Event()
        self.acted = threading.Event()  # the loop's next tick is as far away as can be

    def on_message(self, message: bytes) -> None:
        """Take a serialised message; it is loaded by the other thread."""
        self._message = message
        self._arrived.set()

    def load(self) -> None:
        """Load what arrives, for ever."""
        # As urgent as the loop: a thread that waits for a core keeps Python's lock meanwhile.
        torch.set_num_threads(1)
        while True:
            self._arrived.wait()
            self._arrived.clear()
            self.acted.clear()
            self.acted.wait()
            message, driving = self._message, self._loop.policy
            version = 'unknown'
            try:
                published = weights_from_cdr(message)
                version = str(published.version)
                policy = Policy.from_bytes(
                    published.bundle, self._schema.hash, driving.version if driving else -1
                )
            except CellError as error:
                self._log_error(f'weights version {version} refused: {error}')
                continue
            self._loop.offer(
                policy,
                published.stamp if published.stamp > self._since else 0,
                published.env_steps,
            )
