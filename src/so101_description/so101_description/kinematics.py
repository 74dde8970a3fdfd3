"""Forward and inverse kinematics of the SO-101, and the arithmetic of actions.

Only this module converts actions to metres and radians. An action is four numbers in [-1, 1]:
the tool's displacement along x, y, z of base_link (times `action_scale`) and the gripper's rate
(times `gripper_step`; positive opens). Pure: each result depends on the arguments alone.
"""

from dataclasses import dataclass
import math

import mujoco
import numpy as np

from so101_node.errors import CellError
from so101_node.options import Options, option

from .joints import JOINTS, LOWER, UPPER
from .model import load_model, model_hash

_POSITIONING = slice(0, 4)  # pan, lift, elbow, wrist_flex: three for position, one for pitch
_PITCH = np.array([0.0, 1.0, 1.0, 1.0])  # the tool's pitch below the horizontal is this sum
_DAMPING = 1e-4  # m^2, of the damped least squares (Wampler 1986)
_SETTLED = 1e-4  # rad
_EXECUTED = 1e-3  # of an action: a target with a larger position error counts as limited
# Parts besides the fingers that may come near the table. The box keeps the fingers off it.
_ELBOW = ('upper_arm_hit', 'lower_arm_hit', 'wrist_hit', 'gripper_palm_hit')
_CLEARANCE = 0.005  # m over the table, z = 0 of base_link; covers lag and backlash
# How far the joints may turn per target to correct the pitch, rad: times the action, at least, at
# most. A moving tool keeps its pitch. A tool at rest, as at a take-over, returns to it slowly.
_TURN, _LEAST_TURN, _MOST_TURN = 0.6, 0.03, 0.2


@dataclass(frozen=True)
class KinematicsConfig(Options):
    """Scales and limits: the options of the node `kinematics`. Positions are in base_link.

    Bring-up sets action_scale, gripper_step and the box from the task.
    """

    action_scale: float = option(
        0.02, 'how far an action of 1 moves the tool', unit='m', low=0.001, high=0.1
    )
    gripper_step: float = option(
        0.2, 'how far an action of 1 moves the gripper', unit='rad', low=0.01, high=1.0
    )
    # Gravity keeps a loaded SO-101 about 1 cm from its target; the rest is one period of motion.
    max_lead: float = option(
        0.05,
        'how far a target may be ahead of the measured tool',
        unit='m',
        low=0.005,
        high=0.2,
    )
    # A gripper that holds an object cannot follow its target; this lead sets the grip force.
    max_gripper_lead: float = option(
        0.3,
        'how far a target may be ahead of the measured gripper',
        unit='rad',
        low=0.02,
        high=2.0,
    )
    max_joint_step: float = option(
        0.35,
        'how far a joint may move from one target to the next',
        unit='rad',
        low=0.01,
        high=1.0,
    )
    # Below 13.5 mm the finger pads drag on the table and block the arm.
    box_min: tuple[float, float, float] = option(
        (0.10, -0.15, 0.0135), 'lower corner of the workspace box', unit='m'
    )
    box_max: tuple[float, float, float] = option(
        (0.35, 0.15, 0.25), 'upper corner of the workspace box', unit='m'
    )

    def check(self) -> None:
        """Raise CellError for a box without volume."""
        super().check()
        if not all(low < high for low, high in zip(self.box_min, self.box_max)):
            raise CellError(
                f'the workspace box from {self.box_min} to {self.box_max} m is empty; box_min '
                'must be below box_max on each axis'
            )


@dataclass(frozen=True)
class ActionResult:
    """An action (4,), and the same before clipping to [-1, 1]."""

    action: np.ndarray
    unclipped: np.ndarray


@dataclass(frozen=True)
class TargetResult:
    """A joint target (6,) rad, its tool position (3,) m, and the limits that clipped it."""

    q: np.ndarray
    position: np.ndarray
    limited: tuple[str, ...]


@dataclass(frozen=True)
class SolveResult:
    """Joint angles (6,) rad, and the distance of their tool from the wanted position, m."""

    q: np.ndarray
    error: float


class Kinematics:
    """The arm's kinematics. Not thread-safe: use one instance per thread."""

    def __init__(self, config: KinematicsConfig = KinematicsConfig()):
        self.config = config
        self.model_hash = model_hash()
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._tool = self._model.site('tool').id
        self._qpos = [self._model.joint(name).qposadr[0] for name in JOINTS]
        self._dof = [self._model.joint(name).dofadr[0] for name in JOINTS]
        self._jacobian = np.zeros((3, self._model.nv))
        self._box = np.array(config.box_min), np.array(config.box_max)
        self._elbow = [self._model.geom(name).id for name in _ELBOW]
        self._elbow_sizes = self._model.geom_size[self._elbow]  # half, of boxes

    def tool_pose(self, q) -> tuple[np.ndarray, np.ndarray]:
        """Return tool position (3,) m and rotation matrix (3, 3) in base_link. q: (6,) rad.

        The first column of the rotation is the approach direction.
        """
        self._place(q)
        return (
            self._data.site_xpos[self._tool].copy(),
            self._data.site_xmat[self._tool].reshape(3, 3).copy(),
        )

    def action_between(
        self, leader, reference, leader_start=None, reference_start=None
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
        self, measured, reference, action, pitch: float, wrist_roll: float
    ) -> TargetResult:
        """Return the joint target of an action: the reference moved by it, within all limits.

        measured, reference: (6,) rad; action: (4,), clipped here; pitch: of the tool below the
        horizontal, rad, held if the position allows it; wrist_roll: joint angle to hold, rad.
        Pass the returned `q` as the next reference: it is within the limits, so no error
        accumulates.
        """
        config, limited = self.config, []
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
        q, error = self._solve(reference, boxed, pitch, roll, 12, most_turn)
        if error > _EXECUTED * config.action_scale:
            limited.append('joint limits')
        step = q - reference
        largest = np.abs(step[:5]).max()
        if largest > config.max_joint_step:
            limited.append('joint step')
            q = reference + step * (config.max_joint_step / largest)
        floor = min(_CLEARANCE, self.elbow_height(reference))  # from below, allow only upwards
        if self.elbow_height(q) < floor:
            limited.append('elbow')
            q = self._last_above(floor, reference, q)
        q[5] = np.clip(
            reference[5] + action[3] * config.gripper_step,
            measured[5] - config.max_gripper_lead,
            measured[5] + config.max_gripper_lead,
        )
        q = np.clip(q, LOWER, UPPER)
        return TargetResult(q, self._tool_position(q), tuple(limited))

    def solve(
        self, position, pitch: float, wrist_roll: float, gripper: float, seed
    ) -> SolveResult:
        """Return joints that move the tool to `position` (3,) m in base_link.

        pitch, wrist_roll, gripper: rad; seed: (6,) rad, where the search starts.
        """
        position = np.asarray(position, np.float64)
        best = SolveResult(np.asarray(seed, np.float64), math.inf)
        for start in (seed, _MIDDLE):
            q, error = self._solve(start, position, pitch, wrist_roll, 40)
            if error < best.error - 1e-4:
                q[5] = np.clip(gripper, LOWER[5], UPPER[5])
                best = SolveResult(q, error)
            if best.error < 1e-3:
                break
        return best

    def elbow_height(self, q) -> float:
        """Return how far upper arm, lower arm, wrist and palm are above the table at least, m."""
        self._place(q)
        up = self._data.geom_xmat[self._elbow][:, 6:]  # base_link's z in each box's frame
        return float(
            (self._data.geom_xpos[self._elbow, 2] - (np.abs(up) * self._elbow_sizes).sum(1)).min()
        )

    def _last_above(self, floor: float, start, end) -> np.ndarray:
        """Return the last joints on the way from `start` to `end`, (6,) rad, above `floor`, m."""
        reached, past = 0.0, 1.0
        for _ in range(8):
            half = 0.5 * (reached + past)
            if self.elbow_height(start + half * (end - start)) < floor:
                past = half
            else:
                reached = half
        return start + reached * (end - start)

    def _place(self, q) -> None:
        self._data.qpos[self._qpos] = q
        mujoco.mj_kinematics(self._model, self._data)

    def _tool_position(self, q) -> np.ndarray:
        self._place(q)
        return self._data.site_xpos[self._tool].copy()

    def _solve(
        self, start, position, pitch, wrist_roll, iterations, most_turn=np.inf
    ) -> tuple[np.ndarray, float]:
        """Solve the position by damped least squares, and the pitch in its null space."""
        q = np.array(start, np.float64)
        q[4] = wrist_roll
        q = np.clip(q, LOWER, UPPER)
        low, high = LOWER[_POSITIONING], UPPER[_POSITIONING]
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
    def _least_squares(jacobian, error) -> np.ndarray:
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + _DAMPING * np.eye(3), error)
        return step * min(1.0, 0.3 / max(1e-9, np.abs(step).max()))


# From this pose the arm reaches the area in front of it without passing a joint limit.
_MIDDLE = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
