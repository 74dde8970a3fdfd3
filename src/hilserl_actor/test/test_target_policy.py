"""A policy of another program drives: its joint targets become actions, executed and stored."""

from actor_support.simulated_bench import SCHEMA, SimulatedBench
import numpy as np
import pytest

from hilserl_actor.loop.target_policy import TargetPolicy
from hilserl_core.contract.steps import Source
from so101_node.errors import CellError

MOVE = np.array([0.02, -0.01, 0.01, 0.0, 0.0, 0.05])  # rad a tick


class Targets:
    """The other program: targets a little farther each time."""

    def __init__(self):
        self.late = False
        self.asked = []  # whether each question was a new beginning
        self.given = []

    def ready(self):
        return True

    def ask(self, sensed, new):
        if self.late:
            raise CellError('the policy did not answer within 50 ms')
        self.asked.append(new)
        self.given.append(sensed.position + MOVE)
        return self.given[-1]


@pytest.fixture
def driven():
    bench, targets = SimulatedBench(policy=False), Targets()
    bench.loop.offer(TargetPolicy(SCHEMA, 'lerobot:DIR', 'ab', targets, bench))
    return bench, targets


def executed(bench):
    return [q for arm, q in bench.commands if arm == 'follower']


def test_each_stored_action_is_the_one_that_was_executed(driven):
    bench, targets = driven
    bench.start()
    bench.tick(6)
    steps, commands = bench.steps[-5:], executed(bench)[-7:]
    assert {(s.source, s.policy_version, s.sigma) for s in steps} == {(Source.POLICY, 0, 0.0)}
    for step, before, after in zip(steps, commands, commands[1:]):
        core = bench.kinematics_core
        again = core.joint_target(before, before, step.action, SCHEMA.pitch, SCHEMA.wrist_roll)
        assert np.abs(again.q - after).max() < 1e-6
    # and it leads to where the policy wanted the tool
    tools = [bench.kinematics_core.tool_pose(q)[0] for q in (commands[-1], targets.given[-1])]
    assert np.abs(tools[0] - tools[1]).max() < 1e-3
    assert abs(commands[-1][5] - targets.given[-1][5]) < 1e-3


def test_a_target_far_away_is_limited_to_one_action(driven):
    bench, targets = driven
    targets.ask = lambda sensed, new: sensed.position + 40 * MOVE
    bench.start()
    bench.tick(3)
    assert np.abs(bench.steps[-1].action).max() == 1.0
    assert np.abs(np.diff(executed(bench)[-3:], axis=0)).max() < 0.5


def test_without_an_answer_the_arm_holds_and_no_step_is_stored(driven):
    bench, targets = driven
    bench.start()
    bench.tick(3)
    steps, commands = len(bench.steps), len(executed(bench))
    targets.late = True
    bench.tick(2)
    assert 'did not answer' in bench.loop.message and bench.mode == 'POLICY'
    assert len(executed(bench)) == commands and len(bench.steps) == steps + 1  # of the tick before
    targets.late = False
    bench.tick(2)
    assert bench.mode == 'POLICY' and len(bench.steps) == steps + 2
    targets.late = True
    bench.tick(8)
    assert bench.mode in ('RESET', 'READY')  # half a second without an answer ends the episode


def test_what_was_planned_is_forgotten_after_a_human_and_between_episodes(driven):
    bench, targets = driven
    bench.start()
    bench.tick(2)
    assert targets.asked == [True, False, False]
    bench.loop.request('intervene', 'test')
    bench.tick(3)
    bench.loop.request('release', 'test')
    bench.tick(2)
    assert targets.asked == [True, False, False, True, False]
    assert [s.source for s in bench.steps].count(Source.HUMAN) == 3


def test_until_it_is_loaded_the_cell_is_not_ready():
    bench, targets = SimulatedBench(policy=False), Targets()
    policy = TargetPolicy(SCHEMA, 'lerobot:DIR', 'ab', targets, bench)
    assert policy.problem() == ''
    targets.ready = lambda: False
    assert policy.problem() == 'lerobot:DIR is still being loaded'
