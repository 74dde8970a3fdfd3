"""The operator's stop keys: straight to the driver, and to the actor as well.

They work without the actor, and while it hangs. When the driver answers, the stop is in force.
"""

from collections.abc import Callable
import threading
import time
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from so101_node import names, qos

ANSWER_TIME = 1.0  # s in which the driver must answer
# The actor refuses to end its stop until the driver's status has told it that the driver's ended.
STATUS_TIME = 0.5  # s for which the request is repeated
REPEAT = 0.1  # s between two requests


class StopKeys:
    """Sends stops and ends them. show(sentence): shows the operator what came of it."""

    def __init__(self, node: Node, show: Callable[[str], object]):
        self._show = show
        self._count = 0  # stops that were asked for
        self._topics = {
            name: node.create_publisher(Empty, name, qos.STATUS)
            for name in (names.DRIVER_STOP, names.DRIVER_RELEASE)
        }
        self._clients: dict[str, Client[Any, Any]] = {
            name: node.create_client(Trigger, name)
            for name in (*self._topics, names.DRIVER_STOP_RESET, names.ESTOP, names.ESTOP_RESET)
        }

    def stop(self, text: str, name: str) -> None:
        """Ask for the stop `name` of the driver, DRIVER_STOP or DRIVER_RELEASE."""
        began = time.monotonic()
        self._count += 1
        self._topics[name].publish(Empty())
        answered = self._call(
            name,
            lambda answer: self._show(
                f'{text}: in force after {(time.monotonic() - began) * 1e3:.0f} ms'
                if answer.success
                else f'{text}: cut the power of the arm NOW: {answer.message}'
            ),
        )
        self._call(names.ESTOP, lambda answer: None)
        start_timer(ANSWER_TIME, self._check, text, answered)

    def end(self, text: str) -> None:
        """End the driver's stop, then the actor's."""
        count = self._count

        def driver_answered(answer: Trigger.Response) -> None:
            if answer.success:
                self._end_of_actor(text, count, time.monotonic() + STATUS_TIME)
            else:
                self._show(f'{text}: {answer.message}')

        if not self._clients[names.DRIVER_STOP_RESET].service_is_ready():
            self._end_of_actor(text, count, time.monotonic())
            return
        self._call(names.DRIVER_STOP_RESET, driver_answered)

    def _end_of_actor(self, text: str, count: int, until: float) -> None:
        """End the actor's stop, unless another was asked for since `count` of them.

        until: monotonic s to which a refused request is repeated.
        """
        if count != self._count:
            return

        def actor_answered(answer: Trigger.Response) -> None:
            if answer.success or time.monotonic() > until:
                self._show(f'{text}: {"ok" if answer.success else answer.message}')
            else:
                start_timer(REPEAT, self._end_of_actor, text, count, until)

        self._call(names.ESTOP_RESET, actor_answered)

    def _call(self, name: str, then: Callable[[Any], object]) -> threading.Event:
        """Call a service; return the event of its answer."""
        answered = threading.Event()

        def on_answer(future: Any) -> None:
            answered.set()
            then(future.result())

        self._clients[name].call_async(Trigger.Request()).add_done_callback(on_answer)
        return answered

    def _check(self, text: str, answered: threading.Event) -> None:
        if not answered.is_set():
            self._show(f'{text}: the driver does not answer; cut the power of the arm NOW')


def start_timer(seconds: float, call: Callable[..., object], *arguments: object) -> None:
    """Call in another thread after this time, unless the process ends before."""
    timer = threading.Timer(seconds, call, arguments)
    timer.daemon = True
    timer.start()
