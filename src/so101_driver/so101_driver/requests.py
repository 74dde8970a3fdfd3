"""The requests of other threads, which the control thread of an arm serves between two cycles."""

from collections.abc import Callable
from concurrent.futures import Future
import queue

Request = Callable[[], list[str]]  # returns a line for each problem


class Requests:
    """A queue of requests."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Request, Future[list[str]]]] = queue.SimpleQueue()

    def call(self, request: Request, timeout: float) -> list[str]:
        """Return the answer to a request; TimeoutError if it is not served within `timeout` s."""
        answer: Future[list[str]] = Future()
        self._queue.put((request, answer))
        return answer.result(timeout)

    def waiting(self) -> bool:
        """Return whether a request waits."""
        return not self._queue.empty()

    def serve(self) -> None:
        """Answer all requests that wait."""
        while self.waiting():
            request, answer = self._queue.get()
            answer.set_result(request())

    def refuse(self, why: str) -> None:
        """Answer all requests that wait with the problem `why`."""
        while self.waiting():
            self._queue.get()[1].set_result([why])
