"""Two cells with one learner: it receives steps of both, and both use its policies."""

import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from hilserl_core.bags.episode_bag import open_bags
from hilserl_tests.cell_process import CellProcess, own_domain
from so101_interfaces.msg import ActorStatus, Step
from so101_node import names, qos

pytestmark = [pytest.mark.graph, pytest.mark.long]


def test_two_cells_send_steps_to_one_learner_and_do_not_disturb_each_other(tmp_path):
    with own_domain() as environment:
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('watcher', context=context)
        episodes, status, diagnosed = {'a': set(), 'b': set()}, {}, set()
        node.create_subscription(
            DiagnosticArray,
            names.DIAGNOSTICS,
            lambda m: diagnosed.update(s.name for s in m.status),
            qos.STATUS,
        )
        for cell in episodes:
            node.create_subscription(
                Step,
                f'/{cell}/{names.STEP}',
                lambda m, cell=cell: episodes[cell].add(m.episode_id),
                qos.STEPS,
            )
            node.create_subscription(
                ActorStatus,
                f'/{cell}/{names.ACTOR_STATUS}',
                lambda m, cell=cell: status.__setitem__(cell, m),
                qos.STATUS,
            )
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        one = CellProcess(
            [
                'train',
                f'runs_dir:={tmp_path}',
                'run:=both',
                'namespace:=a',
                'actors:=a,b',
                'console:=false',
            ],
            environment,
        )
        one.wait_for(
            'READY -> POLICY', 60
        )  # two cells that start together leave each other too little CPU time
        other = CellProcess(
            [
                'train',
                f'runs_dir:={tmp_path}',
                'run:=other',
                'namespace:=b',
                'learner:=false',
                'seed:=1',
                'console:=false',
            ],
            environment,
        )
        deadline = time.monotonic() + 120
        while not (
            len(status) == 2
            and all(s.episodes >= 1 and s.policy_version > 1 for s in status.values())
        ):
            assert time.monotonic() < deadline, status
            assert other.process.poll() is None and one.process.poll() is None
            executor.spin_once(timeout_sec=0.1)
        other.interrupt()
        one.interrupt()
        rclpy.shutdown(context=context)
    assert {'a/driver: follower', 'b/driver: follower', 'a/learner: learning'} <= diagnosed
    assert all(name.startswith(('a/', 'b/')) for name in diagnosed)
    for cell in (one, other):
        assert cell.process.returncode == 0, cell.text[-3000:]
        assert 'Traceback' not in cell.text
    recorded = {
        step.episode_id for bag in open_bags(tmp_path / 'both' / 'bags') for step in bag.steps()
    }
    assert all(episodes.values()) and not episodes['a'] & episodes['b']
    assert episodes['a'] | episodes['b'] <= recorded
    assert not (tmp_path / 'other' / 'bags').exists()
