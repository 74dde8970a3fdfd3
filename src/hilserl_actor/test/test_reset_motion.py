"""What the arm does between two episodes if the task says it."""

from dataclasses import replace

from actor_support.simulated_bench import SCHEMA, SimulatedBench
import numpy as np

from hilserl_actor.bringup.task_check import problems
from hilserl_actor.loop.reset_motion import GRIPPER
from hilserl_core.contract.task import ResetPoint
from so101_node.modes import Mode

DROP = 0.28, 0.08, 0.06
ASIDE = 0.22, 0.10, 0.12
PUT_BACK = replace(
    SCHEMA, reset=(ResetPoint(ASIDE), ResetPoint(DROP, gripper=0.9), ResetPoint(ASIDE))
)
NEAR = 0.003  # m
HELD, COMMANDED = 0.3, 0.1  # rad; the object keeps the jaw from the commanded angle


class HoldingBench(SimulatedBench):
    """The gripper holds an object: it does not close beyond HELD."""

    def command(self, arm, target):
        super().command(arm, target)
        self.position[arm][5] = max(self.position[arm][5], HELD)


def run_until(bench, event, mode):
    assert bench.loop.request(event, 'test') == ''
    for _ in range(600):
        bench.tick()
        if bench.loop.machine.mode is mode:
            return
    raise AssertionError(bench.log)


def reset_after_an_episode(schema):
    """Return the follower's commands (N, 6) rad and tool positions (N, 3) m of one reset."""
    bench = HoldingBench(schema=schema)
    run_until(bench, 'preflight', Mode.READY)
    run_until(bench, 'start', Mode.POLICY)
    bench.tick(2)
    grip = bench.loop.arms.reference.copy()
    grip[5] = COMMANDED
    bench.loop.arms.move(grip)
    count = len(bench.commands)
    run_until(bench, 'success', Mode.READY)
    path = np.array([q for arm, q in bench.commands[count:] if arm == 'follower'])
    return path, np.array([bench.kinematics_core.tool_pose(q)[0] for q in path])


def passed(tool, point):
    """Return the first row at which the tool is at a point (3,) m."""
    off = np.abs(tool - point).max(axis=1)
    assert off.min() < NEAR, (point, off.min())
    return int((off < NEAR).argmax())


def test_an_object_is_carried_to_the_drop_pose_and_released_there():
    path, tool = reset_after_an_episode(PUT_BACK)
    drop = passed(tool, DROP)
    assert passed(tool, ASIDE) < drop
    assert path[1 : drop + 1, 5].max() <= COMMANDED + 1e-9  # it never let go on the way
    there = np.abs(tool - DROP).max(axis=1) < NEAR
    opened = np.flatnonzero(path[:, 5] > 0.9 - 1e-9)[0]
    assert there[opened] and opened > drop
    assert passed(tool[opened:], ASIDE) > 0
    assert np.abs(tool[-1] - SCHEMA.start).max() < SCHEMA.start_spread + 0.002
    assert path[-1, 5] == GRIPPER
    assert np.abs(np.diff(path, axis=0)).max() <= 0.1 + 1e-6  # 1 rad/s at 10 Hz


def test_without_positions_the_gripper_opens_at_once():
    path, _ = reset_after_an_episode(SCHEMA)
    assert path[8, 5] > HELD + 0.2


def test_a_long_way_back_is_not_called_late():
    back_and_forth = replace(SCHEMA, reset=(ResetPoint(ASIDE), ResetPoint((0.2, -0.14, 0.2))) * 5)
    path, _ = reset_after_an_episode(back_and_forth)
    assert len(path) > 100  # over 8 s, the limit without positions


def test_positions_of_the_reset_are_checked_before_anything_moves():
    low = 0.15, -0.15, -0.02
    below = replace(SCHEMA, box_min=low, reset=(ResetPoint((0.2, 0.0, -0.01)),))
    found = problems(below)
    assert any(line.startswith('reset position 1 (0.2, 0, -0.01) m') for line in found), found
    assert problems(PUT_BACK) == []
