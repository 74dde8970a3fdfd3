"""Whether a part of the cell that died is started again.

One rule, for `./cell` and the launch files. A part that ends in order, or cannot even start, is
not: its reason is for the person.
"""

import time

UP = 10.0  # s; what a part says about its arguments and files, it has said by then
STEADY = 300.0  # s after which earlier deaths no longer count
DELAYS = (0.5, 2.0, 8.0)  # s before each further start


class Restarts:
    """The deaths of one part. Make it when the part is started first."""

    def __init__(self):
        self._started = time.monotonic()
        self._deaths = 0

    def after(self, code: int) -> float | None:
        """Seconds to wait before the next start; None: let it be. code: negative for a signal."""
        lived = time.monotonic() - self._started
        if code == 0 or (code > 0 and lived < UP):
            return None
        if lived > STEADY:
            self._deaths = 0
        if self._deaths == len(DELAYS):
            return None
        delay = DELAYS[self._deaths]
        self._deaths += 1
        self._started = time.monotonic() + delay
        return delay
