"""An executor whose callbacks run in several threads, without the busy loop of rclpy's.

rclpy's MultiThreadedExecutor (9.1.2) submits a callback again and again until a thread has begun
it. If the threads get no processor time for a moment, it queues thousands of copies and takes a
whole core. In a process with real-time priority, that blocks every other process of the computer.
"""

from collections.abc import Callable
import time
from typing import Any

from rclpy.executors import (
    ConditionReachedException,
    ExternalShutdownException,
    MultiThreadedExecutor,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Task

YIELD = 0.001  # s that the loop leaves to the threads, while one must still begin a callback


class CallbackThreads(MultiThreadedExecutor):
    """A MultiThreadedExecutor that submits each callback once."""

    def __init__(self, num_threads: int):
        super().__init__(num_threads)
        self._submitted: set[Task[Any]] = set()

    def _spin_once_impl(
        self, timeout_sec: Any = None, wait_condition: Callable[[], bool] = lambda: False
    ) -> None:
        try:
            handler, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, wait_condition)
        except (
            ConditionReachedException,
            ExternalShutdownException,
            ShutdownException,
            TimeoutException,
        ):
            return
        if handler in self._submitted:
            time.sleep(YIELD)
            return
        self._submitted.add(handler)
        self._executor.submit(self._run, handler)
        self._futures.append(handler)
        for future in [each for each in self._futures if each.done()]:
            self._futures.remove(future)
            future.result()  # raise what the callback raised

    def _run(self, handler: Task[Any]) -> None:
        try:
            handler()
        finally:
            self._submitted.discard(handler)
