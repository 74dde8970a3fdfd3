"""The sentence on a finished demonstration, said by a real node."""

from types import SimpleNamespace

from actor_support.demonstrations import SCHEMA, records
import pytest
import rclpy

from hilserl_actor.ros.last_episode import LastEpisode

pytestmark = pytest.mark.graph


def test_a_good_demonstration_after_a_poor_one_is_said_too(capfd):
    context = rclpy.Context()  # one that nobody has used
    rclpy.init(context=context)
    try:
        node = rclpy.create_node('last_episode', context=context)
        loop = SimpleNamespace(stats=SimpleNamespace(results=[]))
        last = LastEpisode(SCHEMA, loop, None, node.get_logger(), 0)
        for step in (*records(action=-1.0), *records(), *records(action=-1.0)):
            last.note_step(step)
    finally:
        rclpy.shutdown(context=context)
    said = [line.split(']')[0].lstrip('[') for line in capfd.readouterr().err.splitlines()]
    assert said == ['WARN', 'INFO', 'WARN']
    assert 'POOR: most actions at their limit' in last.news
