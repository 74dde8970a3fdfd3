"""The reset: a joint path to an episode's start pose (up, across, down) at limited speed.

Before that, the tool goes to the positions of the task's `reset`, where the gripper may open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import itertools

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from .arm_commands import ArmCommands
from .episode import Sensed
from .interfaces import Joints, Kinematics

SPEED = 1.0  # rad/s, the fastest joint
ABOVE = 0.15  # m, height of the tool while it moves across
GRIPPER = 0.6  # rad, open enough for the object
GRIP = 0.3  # rad by which the commanded gripper may stay inside the object that it holds
TOLERANCE = 0.08  # rad; a loaded SO-101 stops up to 0.045 short
TIMEOUT = 8.0  # s, and more by what the positions of `reset` take
LATE = 1.0  # s that the arm may arrive after the path's end, at least
MAX_TIME = 60.0  # s
SETTLE_TIME = 0.2  # s from the first to the last tick that measures the arm at the start pose


@dataclass
class ResetPath:
    """Joint targets, one for each tick; the last one is repeated until the arm has arrived."""

    targets: npt.NDArray[np.float64]  # (N, 6) rad
    rate: float  # ticks a second
    index: int = 0
    settled: int = 0

    @property
    def end(self) -> Joints:
        """Return the last target, (6,) rad."""
        end: Joints = self.targets[-1]
        return end

    def next(self, position: Joints) -> Joints:
        """Return the target of this tick; `position` is measured, (6,) rad."""
        target: Joints = self.targets[min(self.index, len(self.targets) - 1)]
        self.index += 1
        near = self.index >= len(self.targets) and bool(
            np.abs(position - self.end)[:5].max() < TOLERANCE
        )
        self.settled = self.settled + 1 if near else 0
        return target

    @property
    def duration(self) -> float:
        """Return the s that the path takes."""
        return len(self.targets) / self.rate

    @property
    def arrived(self) -> bool:
        """Whether the arm has been at the end of the path for SETTLE_TIME."""
        return self.settled > SETTLE_TIME * self.rate


def plan(
    schema: TaskSchema,
    position: Joints,
    tool: npt.NDArray[np.float64],
    solve: Callable[[npt.NDArray[np.float64], Joints], Joints],
    contact: Callable[[npt.NDArray[np.float64]], str],
    rng: np.random.Generator,
) -> ResetPath:
    """Return a path from `position` (6,) rad, tool at `tool` (3,) m, to a random start pose.

    The start pose is drawn around the task's. solve(position, seed) -> (6,) rad is the inverse
    kinematics; contact(path (N, 6)) is a sentence about the first contact of the arm with itself
    or the table, or ''. Raises CellError if the start pose cannot be reached without a contact.
    """
    start = np.asarray(schema.start) + rng.uniform(-1, 1, 3) * schema.start_spread
    position = np.asarray(position, np.float64)
    # positions of the tool, each with the angle of the gripper on the way there
    points: list[tuple[npt.ArrayLike, float]] = []
    grip = position[5] if schema.reset else GRIPPER
    if tool[2] < ABOVE - 0.03:
        points.append(((np.clip(tool[0], 0.15, 0.30), tool[1], ABOVE), grip))
    for point in schema.reset:
        points.append((point.position, grip))
        if point.gripper is not None:
            grip = point.gripper
            points.append((point.position, grip))
    points += [((start[0], start[1], ABOVE), GRIPPER), (start, GRIPPER)]
    waypoints = _waypoints(position, points, solve, position)
    found = contact(waypoints) or contact(waypoints[-1:])
    if found:  # a folded arm may lead to a folded solution; from the middle, there is another one
        waypoints = _waypoints(position, points, solve, np.zeros(6))
    if found and (contact(waypoints) or contact(waypoints[-1:])):
        x, y, z = start
        raise CellError(
            f'on the way to the start pose ({x:.2f}, {y:.2f}, {z:.2f}) m {found}; move the arm by '
            'hand in front of its base, tool up, or correct table_height'
        )
    step = SPEED / schema.rate
    targets = []
    for a, b in itertools.pairwise(waypoints):
        count = max(1, int(np.ceil(np.abs(b - a).max() / step)))
        targets += [a + (b - a) * (i + 1) / count for i in range(count)]
    path = ResetPath(np.array(targets), schema.rate)
    limit = MAX_TIME if schema.reset else TIMEOUT - LATE
    if path.duration > limit:
        raise CellError(
            f'the path to the start pose takes {path.duration:.0f} s, over the limit of '
            f'{limit:.0f} s; move the arm nearer to it by hand'
            + (', or give the task fewer reset positions' if schema.reset else '')
        )
    return path


def _waypoints(
    position: Joints,
    points: Sequence[tuple[npt.ArrayLike, float]],
    solve: Callable[[npt.NDArray[np.float64], Joints], Joints],
    seed: Joints,
) -> npt.NDArray[np.float64]:
    """Return `position` and the joints (N, 6) rad of each point (3,) m with a gripper angle."""
    waypoints = [position]
    for point, gripper in points:
        seed = np.array(solve(np.asarray(point), seed), np.float64)
        seed[5] = gripper
        waypoints.append(seed)
    return np.array(waypoints)


class ResetMotion:
    """Moves the arm to the start pose of each episode, tick by tick.

    clock: steady, s. patience: factor of TIMEOUT.
    """

    def __init__(
        self,
        schema: TaskSchema,
        kinematics: Kinematics,
        arms: ArmCommands,
        seed: int,
        clock: Callable[[], float],
        patience: float = 1.0,
    ):
        self._patience = patience
        self._schema, self._kinematics, self._arms = schema, kinematics, arms
        self._seed, self._clock = seed, clock
        self._path: ResetPath | None = None
        self._since = 0.0
        self._refused = 0  # number of commands in a row that the driver did not accept
        self.warning = ''  # why the arm does not move; of the last tick

    def replan(self) -> None:
        """Drop the path; the next tick plans a new one from the measured pose."""
        self._path = None

    def tick(self, sensed: Sensed, episode: int) -> bool:
        """Move on towards the start pose of `episode`; return whether the arm is there.

        Only seed and episode number determine the start pose, so two evaluations have the same.
        Raises CellError if there is no path, or after TIMEOUT.
        """
        self.warning = ''
        if self._path is None:
            # The path starts at the measured pose, not at the last reference.
            start = sensed.position.copy()
            if self._schema.reset:  # what the gripper holds is put back, so it keeps its grip
                grip = self._arms.reference[5]
                start[5] = np.clip(grip, start[5] - GRIP, start[5] + GRIP)
            self._arms.restart_at(start)
            self._path = plan(
                self._schema,
                start,
                sensed.tool,
                self._kinematics.solve,
                self._kinematics.contact,
                np.random.default_rng((self._seed, episode)),
            )
            self._since = self._clock()
        if not self._arms.has_torque('follower'):
            return False  # torque is switched on at the end of this tick, at the measured pose
        self._note_accepted(self._arms.accepted())
        self._arms.move(self._path.next(sensed.position))
        if self._path.arrived:
            self._path = None
            return True
        timeout = max(TIMEOUT, self._path.duration + LATE) * self._patience
        if self._clock() - self._since > timeout:
            off = np.abs(sensed.position - self._path.end)
            worst = int(off[:5].argmax())
            raise CellError(
                f'reset: joint {worst + 1} is {off[worst]:.2f} rad from the start pose after '
                f'{timeout:.0f} s (limit {TOLERANCE}); free the arm and start again'
            )
        return False

    def _note_accepted(self, accepted: bool) -> None:
        self._refused = 0 if accepted else self._refused + 1
        if self._refused > self._schema.rate:
            self.warning = (
                'the driver accepts no commands; its log and /diagnostics have the reason, and '
                'follower/clear_faults clears a fault'
            )
