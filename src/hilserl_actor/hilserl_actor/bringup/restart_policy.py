"""Decides whether a node that died is started again.

`./cell` and the launch files share this rule. A node that ends with exit code 0 or REFUSED, or
that fails during its start, is not started again: the person must read its error first.
"""

import time

from so101_node.errors import REFUSED

STARTUP_TIME = 10.0  # s; wrong arguments and files make a node fail within this time
STEADY_TIME = 300.0  # s of running after which earlier deaths are not counted
DELAYS = (0.5, 2.0, 8.0)  # s before each further start


class RestartPolicy:
    """Counts the deaths of one node. Create it when the node is first started."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._deaths = 0

    def delay_after(self, code: int, started: bool = True) -> float | None:
        """Return the seconds to wait before the next start; None: do not start it again.

        code: exit code; negative for a signal. started: false if its constructor did not return.
        """
        lived = time.monotonic() - self._started
        if code in (0, REFUSED) or (code > 0 and not (started and lived > STARTUP_TIME)):
            return None
        if lived > STEADY_TIME:
            self._deaths = 0
        if self._deaths == len(DELAYS):
            return None
        delay = DELAYS[self._deaths]
        self._deaths += 1
        self._started = time.monotonic() + delay
        return delay
