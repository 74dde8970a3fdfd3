"""Forward and inverse kinematics of the SO-101, and the arithmetic of actions.

Only this module converts actions to metres and radians. An action is four numbers in [-1, 1]:
the tool's displacement along x, y, z of base_link (times `action_scale`) and the gripper's rate
(times `gripper_step`; positive opens). Pure: each result depends on the arguments alone.
"""

from dataclasses import dataclass
import math

import mujoco
import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .collision import Collision
from .joints import JOINT_LIMITS, JOINTS, Floats
from .kinematics_config import KinematicsConfig
from .model import load_model, model_hash

_DEFAULTS = KinematicsConfig()
_POSITIONING = slice(0, 4)  # pan, lift, elbow, wrist_flex: three for position, one for pitch
_PITCH = np.array([0.0, 1.0, 1.0, 1.0])  # the tool's pitch below the horizontal is this sum
_DAMPING = 1e-4  # m^2, of the damped least squares (Wampler 1986)
_SETTLED = 1e-4  # rad
_EXECUTED = 1e-3  # of an action: a target with a larger position error counts as limited
# How far the joints may turn per target to correct the pitch, rad: times the action, at least, at
# most. A moving tool keeps its pitch. A tool at rest, as at a take-over, returns to it slowly.
_TURN, _LEAST_TURN, _MOST_TURN = 0.6, 0.03, 0.2


Range = tuple[Floats, Floats]  # (lower, upper), each (6,) rad


@dataclass(frozen=True)
class ActionResult:
    """An action (4,), and the same before clipping to [-1, 1]."""

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


class Kinematics:
    """The arm's kinematics. Not thread-safe: use one instance per thread."""

    def __init__(self, config: KinematicsConfig = _DEFAULTS):
        self.config = config
        self.model_hash = model_hash()
        self._limits: Range = JOINT_LIMITS[config.joint_limits]
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._tool = self._model.site('tool').id
        self._qpos = [self._model.joint(name).qposadr[0] for name in JOINTS]
        self._dof = [self._model.joint(name).dofadr[0] for name in JOINTS]
        self._jacobian = np.zeros((3, self._model.nv))
        self._box = np.array(config.reachable_box)
        self.collision = Collision(config.table_height)

    def tool_pose(self, q: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return tool position (3,) m and rotation matrix (3, 3) in base_link. q: (6,) rad.

        The first column of the rotation is the approach direction.
        """
        self._place(q)
        return (
            self._data.site_xpos[self._tool].copy(),
            self._data.site_xmat[self._tool].reshape(3, 3).copy(),
        )

    def action_between(
        self,
        leader: Floats,
        reference: Floats,
        leader_start: Floats | None = None,
        reference_start: Floats | None = None,
    ) -> ActionResult:
        """Return the action that moves the follower's `reference` to the leader's pose.

        All arguments are (6,) rad. With both starts given (a clutch), each arm's motion counts
        relative to its start.
        """
        delta = self._tool_position(leader) - self._tool_position(reference)
        gripper = leader[5] - reference[5]
        if leader_start is not None and reference_start is not None:
            delta = delta - (
                self._tool_position(leader_start) - self._tool_position(reference_start)
            )
            gripper -= leader_start[5] - reference_start[5]
        unclipped = np.append(delta / self.config.action_scale, gripper / self.config.gripper_step)
        return ActionResult(np.clip(unclipped, -1.0, 1.0), unclipped)

    def joint_target(
        self,
        measured: Floats,
        reference: Floats,
        action: npt.ArrayLike,
        pitch: float,
        wrist_roll: float,
        allowed: Range | None = None,
    ) -> TargetResult:
        """Return the joint target of an action: the reference moved by it, within all limits.

        measured, reference: (6,) rad; action: (4,), clipped here; pitch: of the tool below the
        horizontal, rad, held if the position allows it; wrist_roll: joint angle to hold, rad;
        allowed: the driver's range, which limits the target too. CellError if the range is wrong.
        Pass the returned `q` as the next reference: it is within the limits, so no error
        accumulates.
        """
        config, limited, limits = self.config, [], self._within(allowed)
        action = np.clip(action, -1.0, 1.0)
        start = self._tool_position(reference)
        wanted = start + action[:3] * config.action_scale
        boxed = np.clip(wanted, *self._box)
        if (np.abs(boxed - wanted) > 1e-9).any():
            limited.append('workspace box')
            # From outside the box, the way back in is no faster than an action.
            boxed = start + np.clip(boxed - start, -config.action_scale, config.action_scale)
        here = self._tool_position(measured)
        lead = boxed - here
        distance = float(np.linalg.norm(lead))
        if distance > config.max_lead:
            limited.append('lead over the measured pose')
            boxed = here + lead * (config.max_lead / distance)
        # The pitch is corrected over several targets, so that it never costs position accuracy.
        most_turn = float(np.clip(_TURN * np.abs(action[:3]).max(), _LEAST_TURN, _MOST_TURN))
        roll = reference[4] + np.clip(
            wrist_roll - reference[4], -config.max_joint_step, config.max_joint_step
        )
        q, error = self._solve(reference, boxed, pitch, roll, 12, limits, most_turn)
        if error > _EXECUTED * config.action_scale:
            limited.append('joint limits')
        step = q - reference
        largest = np.abs(step[:5]).max()
        if largest > config.max_joint_step:
            limited.append('joint step')
            q = reference + step * (config.max_joint_step / largest)
        q[5] = np.clip(
            reference[5] + action[3] * config.gripper_step,
            measured[5] - config.max_gripper_lead,
            measured[5] + config.max_gripper_lead,
        )
        q, near = self._clear_target(reference, np.clip(q, *limits))
        limited += [f'collision of {links}' for links in near]
        return TargetResult(q, self._tool_position(q), tuple(limited))

    def solve(
        self,
        position: npt.ArrayLike,
        pitch: float,
        wrist_roll: float,
        gripper: float,
        seed: Floats,
        allowed: Range | None = None,
    ) -> SolveResult:
        """Return joints that move the tool to `position` (3,) m in base_link.

        pitch, wrist_roll, gripper: rad; seed: (6,) rad, where the search starts; allowed: the
        driver's range, which limits the joints too. CellError if the range is wrong.
        """
        limits = self._within(allowed)
        position = np.asarray(position, np.float64)
        best = SolveResult(np.asarray(seed, np.float64), math.inf)
        for start in (seed, _MIDDLE):
            q, error = self._solve(start, position, pitch, wrist_roll, 40, limits)
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

    def _place(self, q: npt.ArrayLike) -> None:
        self._data.qpos[self._qpos] = q
        mujoco.mj_kinematics(self._model, self._data)

    def _tool_position(self, q: npt.ArrayLike) -> Floats:
        self._place(q)
        position: Floats = self._data.site_xpos[self._tool].copy()
        return position

    def _solve(
        self,
        start: Floats,
        position: Floats,
        pitch: float,
        wrist_roll: float,
        iterations: int,
        limits: Range,
        most_turn: float = np.inf,
    ) -> tuple[Floats, float]:
        """Solve the position by damped least squares, and the pitch in its null space."""
        q = np.array(start, np.float64)
        q[4] = wrist_roll
        q = np.clip(q, *limits)
        low, high = limits[0][_POSITIONING], limits[1][_POSITIONING]
        for _ in range(iterations):
            self._place(q)
            error = position - self._data.site_xpos[self._tool]
            tilt = pitch - q[_POSITIONING] @ _PITCH
            mujoco.mj_comPos(self._model, self._data)
            mujoco.mj_jacSite(self._model, self._data, self._jacobian, None, self._tool)
            full = self._jacobian[:, self._dof[_POSITIONING]]
            now = q[_POSITIONING]
            null = np.linalg.svd(full)[2][3]  # the one motion that leaves the tool in place
            along = null @ _PITCH
            # |tilt| prevents a limit cycle where no turn improves the pitch (along = 0).
            bound = min(0.1, most_turn)
            turn = np.clip(along * tilt / (along * along + abs(tilt) + 1e-9), -bound, bound)
            most_turn -= abs(turn)
            place = self._least_squares(full, error)
            step = place + null * turn
            if ((now + step > high) | (now + step < low)).any():  # position before pitch
                step = place
            past = (now + step > high) | (now + step < low)
            if past.any():  # a joint stops at its limit; the other joints take over its share
                stopped = np.where(past, np.clip(now + step, low, high) - now, 0.0)
                others = full * ~past
                step = np.where(past, stopped, self._least_squares(others, error - full @ stopped))
            q[_POSITIONING] = np.clip(now + step, low, high)
            if np.abs(step).max() < _SETTLED:
                break
        return q, float(np.linalg.norm(position - self._tool_position(q)))

    @staticmethod
    def _least_squares(jacobian: Floats, error: Floats) -> Floats:
        step: Floats = jacobian.T @ np.linalg.solve(
            jacobian @ jacobian.T + _DAMPING * np.eye(3), error
        )
        return step * min(1.0, 0.3 / max(1e-9, float(np.abs(step).max())))


# From this pose the arm reaches the area in front of it without passing a joint limit.
_MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
