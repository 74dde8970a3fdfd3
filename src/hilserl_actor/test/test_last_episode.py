"""The sentence on a finished demonstration, logged by a real node."""

from types import SimpleNamespace

from actor_support.demonstrations import SCHEMA, records
import pytest
import rclpy

from hilserl_actor.ros.last_episode import LastEpisode

pytestmark = pytest.mark.graph


def test_a_good_demonstration_after_a_poor_one_is_logged(capfd):
    context = rclpy.Context()  # an unused one
    rclpy.init(context=context)
    try:
        node = rclpy.create_node('last_episode', context=context)
        loop = SimpleNamespace(stats=SimpleNamespace(results=[]))
        last = LastEpisode(SCHEMA, loop, None, node.get_logger(), 0)
        for step in (*records(action=-1.0), *records(), *records(action=-1.0)):
            last.note_step(step)
    finally:
        rclpy.shutdown(context=context)
    severities = [line.split(']')[0].lstrip('[') for line in capfd.readouterr().err.splitlines()]
    assert severities == ['WARN', 'INFO', 'WARN']
    assert 'POOR: most actions at their limit' in last.news
