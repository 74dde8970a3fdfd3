"""Forward and inverse kinematics of the SO-101, and the arithmetic of actions.

Only this module converts actions to metres and radians. An action has one number in [-1, 1] for
each axis of the `ActionSpace`, which says its scale. Pure: each result depends on the arguments
alone.
"""

from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .action_space import PITCH_JOINTS, TOOL_AXES, TRANSLATIONS
from .collision import Collision
from .inverse_kinematics import InverseKinematics, Range
from .joints import JOINT_LIMITS, JOINTS, Floats
from .kinematics_config import KinematicsConfig
from .model import model_hash

_DEFAULTS = KinematicsConfig()
_EXECUTED = 1e-3  # of an action: a target with a larger error counts as limited
# How far the joints may turn per target to correct the pitch, rad: times the action, at least, at
# most. A moving tool keeps its pitch. A tool at rest, as at a take-over, returns to it slowly.
_TURN, _LEAST_TURN, _MOST_TURN = 0.6, 0.03, 0.2
# How far a coordinate that no axis acts on returns per target, after a limit has moved it: m, rad.
_RETURN, _RETURN_TURN = 0.02, 0.2
_RETURN_TOOL, _RETURN_JOINTS = np.repeat((_RETURN, _RETURN_TURN), 3), np.full(6, _RETURN_TURN)
_TOOL_LIMITS = ('workspace box', 'lead over the measured pose')
_ROLL, _PITCH, _GRIPPER = (TOOL_AXES.index(name) for name in ('droll', 'dpitch', 'gripper'))


@dataclass(frozen=True)
class ActionResult:
    """An action (A,), and the same before clipping to [-1, 1]."""

    action: Floats
    unclipped: Floats


@dataclass(frozen=True)
class TargetResult:
    """A joint target (6,) rad, its tool position (3,) m, and the limits that clipped it."""

    q: Floats
    position: Floats
    limited: tuple[str, ...]


@dataclass(frozen=True)
class SolveResult:
    """Joint angles (6,) rad, and the distance of their tool from the wanted position, m."""

    q: Floats
    error: float


class Kinematics(InverseKinematics):
    """The arm's kinematics. Not thread-safe: use one instance per thread."""

    def __init__(self, config: KinematicsConfig = _DEFAULTS):
        super().__init__()
        self.config, self.space = config, config.action_space
        self.model_hash = model_hash()
        self._limits: Range = JOINT_LIMITS[config.joint_limits]
        self._box = np.array(config.reachable_box)
        self.collision = Collision(config.table_height)
        self._scales = self.space.displacement(np.ones(len(self.space.names)))  # (6,), 0: held
        self._acts = self._scales > 0.0
        # Axes that move the tool, how far a target may move it back into the box, and how near to
        # the wanted position the target must be, m.
        self._moving = np.flatnonzero(np.isin(self.space.names, TRANSLATIONS))
        self._reach = np.where(self._acts[:3], self._scales[:3], _RETURN)
        self._tolerance = _EXECUTED * float(self._reach.min())

    def coordinates(self, q: Floats) -> Floats:
        """Return the coordinates (6,) of a pose (6,) rad in the space of the action: m, rad."""
        if self.space.of_joints:
            return np.array(q, np.float64)
        return np.array([*self.tool_position(q), q[4], q[PITCH_JOINTS].sum(), q[5]])

    def action_between(
        self,
        leader: Floats,
        reference: Floats,
        leader_start: Floats | None = None,
        reference_start: Floats | None = None,
    ) -> ActionResult:
        """Return the action that moves the follower's `reference` to the leader's pose.

        All arguments are (6,) rad. With both starts given (a clutch), each arm's motion counts
        relative to its start. A motion along a coordinate without an axis is left out.
        """
        delta = self.coordinates(leader) - self.coordinates(reference)
        if leader_start is not None and reference_start is not None:
            delta = delta - (self.coordinates(leader_start) - self.coordinates(reference_start))
        unclipped = delta[self.space.acted] / self.space.scales
        return ActionResult(np.clip(unclipped, -1.0, 1.0), unclipped)

    def joint_target(
        self,
        measured: Floats,
        reference: Floats,
        action: npt.ArrayLike,
        pitch: float,
        wrist_roll: float,
        allowed: Range | None = None,
        hold: Floats | None = None,
    ) -> TargetResult:
        """Return the joint target of an action: the reference moved by it, within all limits.

        measured, reference: (6,) rad; action: (A,), clipped here; pitch: of the tool below the
        horizontal, rad, held if the position allows it; wrist_roll: joint angle to hold, rad. An
        axis that acts on pitch, roll or joints replaces them. allowed: the driver's range, which
        limits the target too; hold: (6,) rad, the pose whose other coordinates are held (None: the
        reference). CellError if the range is wrong or the action has another length.
        Pass the returned `q` as the next reference: it is within the limits, so no error
        accumulates.
        """
        config, limits = self.config, self._within(allowed)
        action = np.clip(action, -1.0, 1.0)
        if action.shape != (len(self.space.names),):
            raise CellError(
                f'the action has {action.size} numbers; this task has {len(self.space.names)}: '
                f'{", ".join(self.space.names)}'
            )
        now = self.coordinates(reference)
        wanted = now + self.space.displacement(action)
        if hold is not None:
            most = _RETURN_JOINTS if self.space.of_joints else _RETURN_TOOL
            held = now + np.clip(self.coordinates(hold) - now, -most, most)
            wanted = np.where(self._acts, wanted, held)
        if self.space.of_joints:
            q, limited = self._joints_within(measured, reference, wanted, limits)
        else:
            q, limited = self._tool_within(
                measured, reference, now, wanted, action, (pitch, wrist_roll), limits
            )
        step = q - reference
        largest = np.abs(step[:5]).max()
        if largest > config.max_joint_step:
            limited.append('joint step')
            q = reference + step * (config.max_joint_step / largest)
        q[5] = np.clip(
            wanted[_GRIPPER],
            measured[5] - config.max_gripper_lead,
            measured[5] + config.max_gripper_lead,
        )
        q, near = self._clear_target(reference, np.clip(q, *limits))
        limited += [f'collision of {links}' for links in near]
        return TargetResult(q, self.tool_position(q), tuple(limited))

    def _tool_within(
        self,
        measured: Floats,
        reference: Floats,
        now: Floats,
        wanted: Floats,
        action: Floats,
        held: tuple[float, float],
        limits: Range,
    ) -> tuple[Floats, list[str]]:
        """Return joints (6,) rad for wanted coordinates of the tool, and the limits.

        now, wanted: (6,); held: pitch and wrist_roll, rad, where no axis acts on them.
        """
        config, limited = self.config, []
        start, pitch = now[:3], held[0]
        boxed = np.clip(wanted[:3], *self._box)
        if (np.abs(boxed - wanted[:3]) > 1e-9).any():
            limited.append(_TOOL_LIMITS[0])
            # From outside the box, the way back in is no faster than an action.
            boxed = start + np.clip(boxed - start, -self._reach, self._reach)
        here = self.tool_position(measured)
        lead = boxed - here
        distance = float(np.linalg.norm(lead))
        if distance > config.max_lead:
            limited.append(_TOOL_LIMITS[1])
            boxed = here + lead * (config.max_lead / distance)
        # The pitch is corrected over several targets, so that it never costs position accuracy.
        moving = np.abs(action[self._moving]).max(initial=0.0)
        most_turn, iterations = float(np.clip(_TURN * moving, _LEAST_TURN, _MOST_TURN)), 12
        if self._acts[_PITCH]:
            pitch, most_turn, iterations = float(wanted[_PITCH]), math.inf, 30
        if self._acts[_ROLL]:
            roll = wanted[_ROLL]
        else:
            roll = reference[4] + np.clip(
                held[1] - reference[4], -config.max_joint_step, config.max_joint_step
            )
        q, error = self.solve_from(
            reference, boxed, pitch, float(roll), iterations, limits, most_turn
        )
        rolled = not self._acts[_ROLL] or limits[0][4] <= roll <= limits[1][4]
        if error > self._tolerance or not rolled:
            limited.append('joint limits')
        if self._acts[_PITCH] and (
            abs(q[PITCH_JOINTS].sum() - pitch) > _EXECUTED * self._scales[_PITCH]
        ):
            limited.append('pitch')
        return q, limited

    def _joints_within(
        self, measured: Floats, reference: Floats, wanted: Floats, limits: Range
    ) -> tuple[Floats, list[str]]:
        """Return the part of a joint motion that box and lead allow, (6,) rad, and the limits."""
        limited = []
        q = np.append(np.clip(wanted, *limits)[:5], reference[5])
        if (np.abs(q - wanted)[:5] > 1e-9).any():
            limited.append('joint limits')
        here = self.tool_position(measured)
        # What is past a limit already may come back, but go no further.
        most = np.maximum(self._past(reference, here), 0.0) + 1e-9
        past = self._past(q, here) > most
        if past.any():
            limited += [name for name, is_past in zip(_TOOL_LIMITS, past) if is_past]
            fits, fails = 0.0, 1.0
            for _ in range(12):
                middle = 0.5 * (fits + fails)
                if (self._past(reference + middle * (q - reference), here) > most).any():
                    fails = middle
                else:
                    fits = middle
            q = reference + fits * (q - reference)
        return q, limited

    def _past(self, q: Floats, here: Floats) -> Floats:
        """Return how far the tool is out of the box, and past the lead over `here`, (2,) m."""
        tool = self.tool_position(q)
        out = np.abs(np.clip(tool, *self._box) - tool).max()
        return np.array([out, np.linalg.norm(tool - here) - self.config.max_lead])

    def solve(
        self,
        position: npt.ArrayLike,
        pitch: float,
        wrist_roll: float,
        gripper: float,
        seed: Floats,
        allowed: Range | None = None,
        near: bool = False,
    ) -> SolveResult:
        """Return joints that move the tool to `position` (3,) m in base_link.

        pitch, wrist_roll, gripper: rad; seed: (6,) rad, where the search starts; allowed: the
        driver's range, which limits the joints too; near: the tool of `seed` is near the position,
        and a short search from there is enough. CellError if the range is wrong.
        """
        limits = self._within(allowed)
        position = np.asarray(position, np.float64)
        best = SolveResult(np.asarray(seed, np.float64), math.inf)
        for start in (seed,) if near else (seed, _MIDDLE):
            iterations = _NEAR_ITERATIONS if near else 40
            q, error = self.solve_from(start, position, pitch, wrist_roll, iterations, limits)
            if error < best.error - 1e-4:
                q[5] = np.clip(gripper, limits[0][5], limits[1][5])
                best = SolveResult(q, error)
            if best.error < 1e-3:
                break
        return best

    def _within(self, allowed: Range | None) -> Range:
        """Return the joint limits, narrowed to the range that the driver allows."""
        if allowed is None:
            return self._limits
        lower = np.maximum(self._limits[0], allowed[0])
        upper = np.minimum(self._limits[1], allowed[1])
        for i in np.flatnonzero(lower > upper):
            raise CellError(
                f'{JOINTS[i]}: the driver allows {allowed[0][i]:.2f} to {allowed[1][i]:.2f} rad, '
                f'the joint limits ({self.config.joint_limits}) are {self._limits[0][i]:.2f} to '
                f'{self._limits[1][i]:.2f} rad; calibrate the arm again'
            )
        return lower, upper

    def _clear_target(self, reference: Floats, q: Floats) -> tuple[Floats, list[str]]:
        """Return the part of a motion that keeps clear, and the links that end it; (6,) rad.

        If it ends early, arm and gripper are limited one after the other: an arm that may not go
        on can still open its gripper.
        """
        whole, near = self.collision.limit_target(reference, q)
        if not near:
            return whole, []
        arm, arm_near = self.collision.limit_target(reference, np.append(q[:5], reference[5]))
        both, gripper_near = self.collision.limit_target(arm, np.append(arm[:5], q[5]))
        return both, [links for links in (arm_near, gripper_near) if links]


_NEAR_ITERATIONS = 8
# From this pose the arm reaches the area in front of it without passing a joint limit.
_MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
