"""A label for a running run is asked of its learner, in the namespace of its cell."""

import threading

import pytest
import rclpy

from hilserl_console import learner_labels
from hilserl_console.learner_labels import LearnerLabels
from hilserl_core.contract.steps import Outcome
from so101_interfaces.srv import LabelEpisode
from so101_node import names
from so101_node.errors import CellError

pytestmark = pytest.mark.graph


@pytest.fixture
def learner(domain):
    """The requests that a learner in the namespace `left` receives; it knows one episode."""
    rclpy.init()
    node, asked = rclpy.create_node('learner', namespace='left'), []

    def answer(request, response):
        asked.append((request.episode_id, request.outcome, request.at.sec, request.at.nanosec))
        response.success = request.episode_id == 'e1'
        response.message = 'it is a success' if response.success else 'there is no such episode'
        return response

    node.create_service(LabelEpisode, names.LEARNER_LABEL, answer)
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield asked
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown()


def test_the_learner_is_asked_and_its_refusal_is_shown(learner, monkeypatch):
    labels = LearnerLabels('left')
    assert labels.label('e1', Outcome.SUCCESS, 3_000_000_007) == 'it is a success'
    assert learner == [('e1', 'success', 3, 7)]
    with pytest.raises(CellError, match='the learner: there is no such episode'):
        labels.label('e2', Outcome.DISCARDED, 1)
    monkeypatch.setattr(learner_labels, 'DISCOVERY', 0.3)
    with pytest.raises(CellError, match='no node offers hilserl/learner/label here'):
        LearnerLabels('right').label('e1', Outcome.SUCCESS, 1)
