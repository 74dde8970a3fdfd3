"""The bodies of a scene: their poses, contacts and random placement."""

from dataclasses import dataclass
from itertools import combinations
import math

import mujoco
import numpy as np
import numpy.typing as npt

from hilserl_core.contract.scene_file import Placement, Simulation
from so101_description.joints import JOINTS, Floats
from so101_node.errors import CellError

from .scene import body_id

WORLD = 0  # the number of MuJoCo's world body; the table belongs to it


@dataclass(frozen=True)
class Body:
    """One placed body. Free bodies have a pose in qpos, others one in the model."""

    number: int
    qpos: int  # address; -1: the body has no free joint
    qvel: int


class Bodies:
    """The placed bodies of a scene."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, simulation: Simulation):
        self._model, self._data, self._simulation = model, data, simulation
        self._bodies = {name: self._find(name) for name in simulation.place}
        first = model.joint(JOINTS[0]).bodyid[0]
        self._of_arm = np.flatnonzero(model.body_rootid == model.body_rootid[first])
        for placement in simulation.place.values():
            if not np.isfinite([*placement.position, *placement.spread]).all():
                raise CellError('the position of a body of the task is not finite')

    def _find(self, name: str) -> Body:
        number = body_id(self._model, name)
        joint = int(self._model.body_jntadr[number])
        free = joint >= 0 and self._model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE
        if not free:
            return Body(number, -1, -1)
        return Body(
            number, int(self._model.jnt_qposadr[joint]), int(self._model.jnt_dofadr[joint])
        )

    def pose(self, name: str) -> tuple[Floats, Floats]:
        """Return position (3,) m and quaternion (4,) wxyz of a placed body, in base_link."""
        body = self._bodies[name]
        if body.qpos < 0:
            return self._model.body_pos[body.number].copy(), self._model.body_quat[
                body.number
            ].copy()
        pose = self._data.qpos[body.qpos : body.qpos + 7].copy()
        return pose[:3], pose[3:]

    def speed(self, name: str) -> float:
        """Return the speed of a placed body, m/s."""
        body = self._bodies[name]
        if body.qvel < 0:
            return 0.0
        return float(np.linalg.norm(self._data.qvel[body.qvel : body.qvel + 3]))

    def _put(self, name: str, position: npt.ArrayLike, yaw: float) -> None:
        body = self._bodies[name]
        quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        if body.qpos < 0:
            self._model.body_pos[body.number] = position
            self._model.body_quat[body.number] = quaternion
            return
        self._data.qpos[body.qpos : body.qpos + 3] = position
        self._data.qpos[body.qpos + 3 : body.qpos + 7] = quaternion
        self._data.qvel[body.qvel : body.qvel + 6] = 0.0

    def put_in_the_middle(self) -> None:
        """Put each body in the middle of its area."""
        for name, placement in self._simulation.place.items():
            self._put(name, placement.position, math.radians(placement.yaw))
        mujoco.mj_forward(self._model, self._data)

    def place(self, rng: np.random.Generator, tries: int) -> bool:
        """Draw a pose for each body until no two touch; restore the poses if that fails."""
        before = self._data.qpos.copy(), self._data.qvel.copy()
        fixed = self._model.body_pos.copy(), self._model.body_quat.copy()
        for _ in range(tries):
            middles = []
            for name, placement in self._simulation.place.items():
                position, yaw = _drawn(placement, rng)
                self._put(name, position, yaw)
                middles.append(position)
            mujoco.mj_forward(self._model, self._data)
            near = any(
                math.dist(a[:2], b[:2]) < self._simulation.apart
                for a, b in combinations(middles, 2)
            )
            if not near and not self._in_the_way():
                return True
        self._data.qpos[:], self._data.qvel[:] = before
        self._model.body_pos[:], self._model.body_quat[:] = fixed
        mujoco.mj_forward(self._model, self._data)
        return False

    def _pairs(self) -> npt.NDArray[np.int32]:
        """Return the pairs (N, 2) of bodies that touch."""
        pairs: npt.NDArray[np.int32] = self._model.geom_bodyid[
            self._data.contact.geom[: self._data.ncon]
        ]
        return pairs.reshape(-1, 2)

    def _in_the_way(self) -> bool:
        """Whether a placed body touches another one than the table."""
        placed = [body.number for body in self._bodies.values()]
        pairs = self._pairs()
        touched = np.isin(pairs, placed).any(1) & (pairs != WORLD).all(1)
        return bool(touched.any())

    def touching(self, one: str, other: str) -> bool:
        """Whether two bodies touch."""
        a, b = self._bodies[one].number, self._bodies[other].number
        return any(set(pair) == {a, b} for pair in self._pairs().tolist())

    def touched_by_arm(self, name: str) -> bool:
        """Whether the arm touches a body."""
        pairs = self._pairs()
        number = self._bodies[name].number
        return bool(((pairs == number).any(1) & np.isin(pairs, self._of_arm).any(1)).any())


def _drawn(placement: Placement, rng: np.random.Generator) -> tuple[Floats, float]:
    """Draw a position (3,) m and a yaw, rad."""
    spread, turn = np.array(placement.spread), math.radians(placement.yaw_spread)
    xy = placement.position[:2] + rng.uniform(-spread, spread)
    yaw = math.radians(placement.yaw) + rng.uniform(-turn, turn)
    return np.array([*xy, placement.position[2]]), yaw
