"""Who drives from the browser: one page at a time, with a dead-man.

A page that drives repeats its motion. If DEAD_MAN passes without one, if the page says that the
hand is off, or if its connection ends, the leader is released. Free of ROS and of sockets.
Times: s of a steady clock.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from so101_node.errors import CellError

DEAD_MAN = 0.15  # s; with the time of a busy computer, the leader is released within 0.2 s


class Leader(Protocol):
    """What can be driven."""

    def push(self, direction: Sequence[float], seconds: float) -> None:
        """Move in a direction (4,) for this time; all 0: release at once."""


class Driving:
    """Gives the leader to one page. leader: None if it cannot be driven here, for `reason`.

    on_lost(): called if the page that drives is gone.
    """

    def __init__(self, leader: Leader | None, reason: str, on_lost: Callable[[], object]):
        self._leader, self._reason, self._on_lost = leader, reason, on_lost
        self._driver: object | None = None
        self._until = 0.0

    def move(self, page: object, axes: Sequence[float], now: float) -> None:
        """Move the leader as a page wants it; CellError if it may not."""
        if self._leader is None:
            raise CellError(self._reason)
        if self._driver not in (None, page) and now < self._until:
            raise CellError('another page drives now; wait until its hand is off')
        moving = any(axes)
        if not moving and self._driver is not page:
            return
        self._driver, self._until = (page, now + DEAD_MAN) if moving else (None, now)
        self._leader.push(axes, DEAD_MAN)

    def check(self, now: float) -> None:
        """Release the leader if the page that drove it is silent."""
        if self._driver is not None and now >= self._until:
            self._driver = None
            if self._leader is not None:
                self._leader.push((0.0,) * 4, 0.0)

    def gone(self, page: object) -> None:
        """Release the leader if this page, which is gone, drove it."""
        if page is self._driver and self._leader is not None:
            self._driver = None
            self._leader.push((0.0,) * 4, 0.0)
            self._on_lost()
