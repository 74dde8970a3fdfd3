"""Fills the operator's screen from the topics of its cell. Terminal and console share this."""

from collections.abc import Callable
import time

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log

from so101_interfaces.msg import ActorStatus, LearnerStatus
from so101_node import names, qos
from so101_node.errors import CellError
from so101_node.newest import Newest
from so101_node.refusals import short, shorten_texts
from so101_node.ros_node import CellNode
from so101_node.stamps import to_ns

from ..operator.screen import Screen

LOG_STYLES = {30: 'yellow', 40: 'red', 50: 'bold red'}


class ScreenFeed:
    """Subscribes to statuses, diagnostics and logs.

    on_actor(before, status): called after each status of the actor; before: the one before, or
    None.
    """

    def __init__(
        self,
        node: CellNode,
        screen: Screen,
        on_actor: Callable[[ActorStatus | None, ActorStatus], object] = lambda *_: None,
    ):
        self._node, self._screen, self._on_actor_status = node, screen, on_actor
        self._statuses = Newest()
        for kind, topic, receive in (
            (ActorStatus, names.ACTOR_STATUS, self._on_actor),
            (LearnerStatus, names.LEARNER_STATUS, self._on_learner),
            (Log, '/rosout', self._on_log),
            (DiagnosticArray, names.DIAGNOSTICS, self._on_diagnostics),
        ):
            node.create_subscription(kind, topic, receive, qos.STATUS)

    def mode(self) -> str:
        """Return the actor's mode; '' if no actor runs."""
        actor = self._screen.actor
        gone = actor is None or self._screen.actor_gone(time.monotonic())
        return '' if gone or actor is None else str(actor.mode)

    def _on_actor(self, message: ActorStatus) -> None:
        clock = self._node.get_clock().now().nanoseconds
        if why := self._statuses.problem(to_ns(message.header.stamp), clock, time.monotonic()):
            raise CellError(why)
        shorten_texts(message)
        before = self._screen.actor
        self._screen.note_actor(message, time.monotonic())
        self._on_actor_status(before, message)

    def _on_learner(self, message: LearnerStatus) -> None:
        shorten_texts(message)
        self._screen.note_learner(message, time.monotonic())

    def _on_log(self, message: Log) -> None:
        node = self._node
        cell = node.get_namespace().strip('/').replace('/', '.')
        if message.name != node.get_logger().name and message.name.rpartition('.')[0] == cell:
            line = short(f'{message.name}: {message.msg}', 300)
            self._screen.lines.append((LOG_STYLES.get(message.level, ''), line))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = names.of_cell(self._node.get_namespace(), status.name)
            if not name or len(name) > 80:
                continue
            self._screen.note_diagnostic(
                name,
                ord(status.level),
                short(status.message),
                {short(pair.key, 40): short(pair.value, 40) for pair in status.values[:50]},
            )
