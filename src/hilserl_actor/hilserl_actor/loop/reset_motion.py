"""The way to an episode's start: up, over, down, at a limited joint speed, and its arrival."""

from dataclasses import dataclass
import itertools

import numpy as np

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from .interfaces import Arms, Kinematics

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


class Reset:
    """The way to the start of one episode after another, tick by tick."""

    def __init__(self, schema: TaskSchema, kinematics: Kinematics, arms: Arms, seed: int, clock):
        self._schema, self._kinematics, self._arms = schema, kinematics, arms
        self._seed, self._clock = seed, clock  # s, steady
        self._path: ResetPath | None = None
        self._since = 0.0
        self._refused = 0  # commands in a row that the driver did not accept

    @property
    def is_planned(self) -> bool:
        """Whether there is a way that the arm is on."""
        return self._path is not None

    def start_over(self) -> None:
        """Plan again, from where the arm is then."""
        self._path = None

    def plan(self, position, tool, episode: int) -> None:
        """Plan the way from `position` (6,) rad, tool at `tool` (3,) m, to an episode's start.

        The start follows from seed and number alone: two evaluations have the same.
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
        """Why the arm does not move, or ''. Once a tick, before `next`."""
        self._refused = 0 if self._arms.command_accepted() else self._refused + 1
        if self._refused <= self._schema.rate:
            return ''
        return (
            'the driver takes no commands; its log and /diagnostics say why, and '
            'follower/clear_faults clears a fault'
        )

    def next(self, position) -> np.ndarray:
        """Joint target (6,) rad of this tick; `position` is measured, (6,) rad."""
        assert self._path is not None  # `plan` was called
        return self._path.next(position)

    def has_arrived(self, position) -> bool:
        """Whether the arm is at the start. CellError if it takes too long."""
        assert self._path is not None  # `plan` was called
        if self._path.arrived:
            self._path = None
            return True
        if self._clock() - self._since > TIMEOUT:
            off = np.abs(position - self._path.goal)
            worst = int(off[:5].argmax())
            raise CellError(
                f'reset: joint {worst + 1} is {off[worst]:.2f} rad from the start pose after '
                f'{TIMEOUT:.0f} s (limit {TOLERANCE}); free the arm and start again'
            )
        return False
