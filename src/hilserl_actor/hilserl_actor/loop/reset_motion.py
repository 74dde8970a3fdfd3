"""The reset: a joint path to an episode's start pose (up, across, down) at limited speed."""

from dataclasses import dataclass
import itertools

import numpy as np

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from .interfaces import Arms, Kinematics

SPEED = 1.0  # rad/s, the fastest joint
ABOVE = 0.15  # m, height of the tool while it moves across
GRIPPER = 0.6  # rad, open enough for the object
TOLERANCE = 0.08  # rad; a loaded SO-101 stops up to 0.045 short
TIMEOUT = 8.0  # s
SETTLE_TIME = 0.2  # s from the first to the last tick that measures the arm at the start pose


@dataclass
class ResetPath:
    """Joint targets, one for each tick; the last one is repeated until the arm has arrived."""

    targets: np.ndarray  # (N, 6) rad
    rate: float  # ticks a second
    index: int = 0
    settled: int = 0

    @property
    def end(self) -> np.ndarray:
        """Return the last target, (6,) rad."""
        return self.targets[-1]

    def next(self, position: np.ndarray) -> np.ndarray:
        """Return the target of this tick; `position` is measured, (6,) rad."""
        target = self.targets[min(self.index, len(self.targets) - 1)]
        self.index += 1
        near = self.index >= len(self.targets) and bool(
            np.abs(position - self.end)[:5].max() < TOLERANCE
        )
        self.settled = self.settled + 1 if near else 0
        return target

    @property
    def arrived(self) -> bool:
        """Whether the arm has been at the end of the path for SETTLE_TIME."""
        return self.settled > SETTLE_TIME * self.rate


def plan(schema: TaskSchema, position, tool, solve, rng: np.random.Generator) -> ResetPath:
    """Return a path from `position` (6,) rad, tool at `tool` (3,) m, to a random start pose.

    The start pose is drawn around the task's. solve(position, seed) -> (6,) rad is the inverse
    kinematics. Raises CellError if the start pose cannot be reached.
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
            f'the path to the start pose takes {len(targets) / schema.rate:.0f} s, over the '
            f'limit of {TIMEOUT - 1:.0f} s; move the arm nearer to it by hand'
        )
    return ResetPath(np.array(targets), schema.rate)


class ResetMotion:
    """Moves the arm to the start pose of each episode, tick by tick."""

    def __init__(self, schema: TaskSchema, kinematics: Kinematics, arms: Arms, seed: int, clock):
        self._schema, self._kinematics, self._arms = schema, kinematics, arms
        self._seed, self._clock = seed, clock  # s, steady
        self._path: ResetPath | None = None
        self._since = 0.0
        self._refused = 0  # number of commands in a row that the driver did not accept

    @property
    def is_planned(self) -> bool:
        """Whether there is a path."""
        return self._path is not None

    def replan(self) -> None:
        """Drop the path; the next tick plans a new one from the measured pose."""
        self._path = None

    def plan(self, position, tool, episode: int) -> None:
        """Plan the path from `position` (6,) rad, tool at `tool` (3,) m, to an episode's start.

        Only seed and episode number determine the start pose, so two evaluations have the same.
        """
        self._path = plan(
            self._schema,
            position,
            tool,
            self._kinematics.solve,
            np.random.default_rng((self._seed, episode)),
        )
        self._since = self._clock()

    def warning(self) -> str:
        """Return why the arm does not move, or ''. Call it once a tick, before `next`."""
        self._refused = 0 if self._arms.command_accepted() else self._refused + 1
        if self._refused <= self._schema.rate:
            return ''
        return (
            'the driver accepts no commands; its log and /diagnostics have the reason, and '
            'follower/clear_faults clears a fault'
        )

    def next(self, position) -> np.ndarray:
        """Return the joint target (6,) rad of this tick; `position` is measured, (6,) rad."""
        assert self._path is not None  # `plan` was called
        return self._path.next(position)

    def has_arrived(self, position) -> bool:
        """Return whether the arm is at the start pose. Raises CellError after TIMEOUT."""
        assert self._path is not None  # `plan` was called
        if self._path.arrived:
            self._path = None
            return True
        if self._clock() - self._since > TIMEOUT:
            off = np.abs(position - self._path.end)
            worst = int(off[:5].argmax())
            raise CellError(
                f'reset: joint {worst + 1} is {off[worst]:.2f} rad from the start pose after '
                f'{TIMEOUT:.0f} s (limit {TOLERANCE}); free the arm and start again'
            )
        return False
