"""The way to an episode's start: up, over, down, at a limited joint speed, and its arrival."""

from dataclasses import dataclass
import itertools

import numpy as np

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

SPEED = 1.0  # rad/s, the fastest joint
ABOVE = 0.15  # m, height of the tool on the way
GRIPPER = 0.6  # rad, open enough for the object
TOLERANCE = 0.08  # rad; a loaded SO-101 stops up to 0.045 short
TIMEOUT = 8.0  # s
SETTLE_TIME = 0.2  # s from the first to the last of the ticks that find it there


@dataclass
class ResetPath:
    """Joint targets, one a tick, then the last one again until the arm is there."""

    targets: np.ndarray  # (N, 6) rad
    rate: float  # ticks a second
    index: int = 0
    settled: int = 0

    @property
    def goal(self) -> np.ndarray:
        """Return where the path ends, (6,) rad."""
        return self.targets[-1]

    def next(self, position: np.ndarray) -> np.ndarray:
        """Target of this tick; `position` is measured, (6,) rad."""
        target = self.targets[min(self.index, len(self.targets) - 1)]
        self.index += 1
        near = self.index >= len(self.targets) and bool(
            np.abs(position - self.goal)[:5].max() < TOLERANCE
        )
        self.settled = self.settled + 1 if near else 0
        return target

    @property
    def arrived(self) -> bool:
        """The arm has been at the goal for a while."""
        return self.settled > SETTLE_TIME * self.rate


def plan(schema: TaskSchema, position, tool, solve, rng: np.random.Generator) -> ResetPath:
    """Path from `position` (6,) rad, tool at `tool` (3,) m, to a start drawn around the task's.

    solve(position, seed) -> (6,) rad is the kinematics' inverse. Raises CellError if the start
    cannot be reached.
    """
    start = np.asarray(schema.start) + rng.uniform(-1, 1, 3) * schema.start_spread
    points = []
    if tool[2] < ABOVE - 0.03:
        points.append((np.clip(tool[0], 0.15, 0.30), tool[1], ABOVE))
    points += [(start[0], start[1], ABOVE), tuple(start)]
    waypoints = [np.asarray(position, np.float64)]
    for point in points:
        waypoint = np.array(solve(point, waypoints[-1]), np.float64)
        waypoint[5] = GRIPPER
        waypoints.append(waypoint)
    step = SPEED / schema.rate
    targets = []
    for a, b in itertools.pairwise(waypoints):
        count = max(1, int(np.ceil(np.abs(b - a).max() / step)))
        targets += [a + (b - a) * (i + 1) / count for i in range(count)]
    if len(targets) / schema.rate > TIMEOUT - 1.0:
        raise CellError(
            f'the way to the start takes {len(targets) / schema.rate:.0f} s, over '
            f'{TIMEOUT - 1:.0f} s; move the arm nearer to it by hand'
        )
    return ResetPath(np.array(targets), schema.rate)
