"""The tool's pose of given joints, and joints that bring the tool to a position.

The position has priority: the pitch is solved in its null space. Not thread-safe.
"""

import mujoco
import numpy as np
import numpy.typing as npt

from .joints import JOINTS, Floats
from .model import load_model

Range = tuple[Floats, Floats]  # (lower, upper), each (6,) rad

_POSITIONING = slice(0, 4)  # pan, lift, elbow, wrist_flex: three for position, one for pitch
_PITCH = np.array([0.0, 1.0, 1.0, 1.0])  # the tool's pitch below the horizontal is this sum
_DAMPING = 1e-4  # m^2, of the damped least squares (Wampler 1986)
_SETTLED = 1e-4  # rad


class InverseKinematics:
    """Forward and inverse kinematics of the arm."""

    def __init__(self) -> None:
        self._model = load_model()
        self._data = mujoco.MjData(self._model)
        self._tool = self._model.site('tool').id
        self._qpos = [self._model.joint(name).qposadr[0] for name in JOINTS]
        self._dof = [self._model.joint(name).dofadr[0] for name in JOINTS]
        self._jacobian = np.zeros((3, self._model.nv))

    def tool_pose(self, q: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return tool position (3,) m and rotation matrix (3, 3) in base_link. q: (6,) rad.

        The first column of the rotation is the approach direction.
        """
        self._place(q)
        return (
            self._data.site_xpos[self._tool].copy(),
            self._data.site_xmat[self._tool].reshape(3, 3).copy(),
        )

    def tool_position(self, q: npt.ArrayLike) -> Floats:
        """Return the tool position (3,) m in base_link. q: (6,) rad."""
        self._place(q)
        position: Floats = self._data.site_xpos[self._tool].copy()
        return position

    def solve_from(
        self,
        start: Floats,
        position: Floats,
        pitch: float,
        wrist_roll: float,
        iterations: int,
        limits: Range,
        most_turn: float = np.inf,
    ) -> tuple[Floats, float]:
        """Solve the position by damped least squares, and the pitch in its null space.

        start: (6,) rad, where the search starts; most_turn: rad, how far the joints may turn to
        correct the pitch. Returns joints (6,) rad and the distance of their tool to `position`, m.
        """
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
            place = _least_squares(full, error)
            step = place + null * turn
            if ((now + step > high) | (now + step < low)).any():  # position before pitch
                step = place
            past = (now + step > high) | (now + step < low)
            if past.any():  # a joint stops at its limit; the other joints take over its share
                stopped = np.where(past, np.clip(now + step, low, high) - now, 0.0)
                others = full * ~past
                step = np.where(past, stopped, _least_squares(others, error - full @ stopped))
            q[_POSITIONING] = np.clip(now + step, low, high)
            if np.abs(step).max() < _SETTLED:
                break
        return q, float(np.linalg.norm(position - self.tool_position(q)))

    def _place(self, q: npt.ArrayLike) -> None:
        self._data.qpos[self._qpos] = q
        mujoco.mj_kinematics(self._model, self._data)


def _least_squares(jacobian: Floats, error: Floats) -> Floats:
    step: Floats = jacobian.T @ np.linalg.solve(
        jacobian @ jacobian.T + _DAMPING * np.eye(3), error
    )
    return step * min(1.0, 0.3 / max(1e-9, float(np.abs(step).max())))
