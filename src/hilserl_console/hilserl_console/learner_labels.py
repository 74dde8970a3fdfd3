"""Labels of a running run: its learner writes them and changes its replay. A small ROS node."""

import os
from typing import Any

import rclpy
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.time import Time

from hilserl_core.contract.steps import Outcome
from so101_interfaces.srv import LabelEpisode
from so101_node import names
from so101_node.errors import CellError
from so101_node.home import home_environment
from so101_node.loopback import loopback_environment
from so101_node.refusals import short

DISCOVERY, ANSWER = 5.0, 8.0  # s


class LearnerLabels:
    """Asks the learner of a cell. It makes its node when it is first needed."""

    def __init__(self, namespace: str):
        self._namespace = namespace
        self._executor: SingleThreadedExecutor | None = None

    def label(self, episode_id: str, outcome: Outcome, at: int) -> str:
        """Label a finished episode at `at`, ns; return the learner's sentence.

        CellError if the learner refuses it or does not answer. For one thread at a time.
        """
        if self._executor is None:
            self._start()
        assert self._executor is not None
        if not self._client.wait_for_service(DISCOVERY):
            raise CellError(
                f'the run is in use, but no node offers {names.LEARNER_LABEL} here; is it in '
                'another ROS domain?'
            )
        request = LabelEpisode.Request(
            episode_id=episode_id, outcome=outcome.name.lower(), at=Time(nanoseconds=at).to_msg()
        )
        future = self._client.call_async(request)
        self._executor.spin_until_future_complete(future, ANSWER)
        answer: LabelEpisode.Response | None = future.result() if future.done() else None
        if answer is None or not answer.success:
            why = short(answer.message) if answer else f'no answer within {ANSWER:g} s; try again'
            raise CellError(f'the learner: {why}')
        return short(answer.message)

    def _start(self) -> None:
        os.environ.update(loopback_environment(os.environ) | home_environment(os.environ))
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('console_labels', context=context, namespace=self._namespace)
        self._client: Client[Any, Any] = node.create_client(LabelEpisode, names.LEARNER_LABEL)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)
