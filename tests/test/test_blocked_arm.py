"""A joint of the emulated arm is blocked, with the real driver, FK service, camera and actor.

The servo of the blocked joint keeps its position and shows a load, whatever its goal is.
"""

import time

import pytest
import rclpy

from hilserl_tests.bench_follower import BenchFollower
from hilserl_tests.cell_process import own_domain
from hilserl_tests.node_bench import NODES, NodeBench, publish_policy, wait
from hilserl_tests.watcher import Watcher
from so101_description.joints import JOINTS, REST
from so101_node.ros_node import not_urgent, urgent

pytestmark = [pytest.mark.graph, pytest.mark.slow]

BLOCKED_TIME = 1.0  # s
UNDER_WAY = 1.5  # s until a random policy asks for a motion that the joint does not make


def in_episode(messages, step):
    return (
        messages.actor and messages.actor[-1].mode == 'POLICY' and messages.actor[-1].step > step
    )


def test_a_blocked_joint_ends_the_episode_as_a_fault_with_its_name(tmp_path):
    urgent()
    with own_domain(), Watcher() as messages, BenchFollower(tmp_path / 'follower', REST) as arm:
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('learner', context=context)
        latched = publish_policy(node)
        # the policy alone hardly moves; with much noise each joint is commanded away
        bench = NodeBench(tmp_path, changed={'actor': {'sigma': '1.0'}})
        for name in NODES:
            bench.start(name)
        try:
            wait(messages, lambda: in_episode(messages, 5), 'an episode', 120.0)
            joint, episode = JOINTS.index('shoulder_lift'), messages.actor[-1].episode_id
            before = len(messages.steps)
            arm.blocked[:5] = True
            began = time.monotonic()
            wait(messages, lambda: messages.actor[-1].episode_id != episode, 'its end', 30.0)
            took = time.monotonic() - began
            time.sleep(0.3)
            steps = [step for step in messages.steps[before:] if step.episode_id == episode]
            arm.blocked[:] = False
            wait(messages, lambda: messages.actor[-1].mode == 'READY', 'READY again', 60.0)
        finally:
            bench.end()
            node.destroy_publisher(latched)
            rclpy.shutdown(context=context)
    not_urgent()
    assert joint >= 0
    assert steps[-1].last and steps[-1].outcome == 0
    assert sum(not step.last for step in steps) >= 3  # up to the block they are kept
    # a joint may have stood still just before it was blocked
    assert BLOCKED_TIME - 0.2 <= took <= BLOCKED_TIME + UNDER_WAY
    log = bench.log.read_text(encoding='utf-8')
    lines = [line for line in log.splitlines() if 'POLICY -> RESET: ' in line]
    assert any('is blocked: it is commanded' in line for line in lines), lines
