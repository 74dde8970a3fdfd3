"""Objects in the scene that have nothing to do with the task."""

import math

import mujoco
import numpy as np

from hilserl_core.contract.scene_file import Simulation
from so101_description.joints import Floats

NAME = 'distractor_{}'
MARGIN = 0.04  # m beyond the task's area where a distractor may be
RADIUS = 0.0185  # m, of the largest
GAP = 0.015  # m to another body: a jaw fits between
TRIES = 200
UNLIKE = 0.45  # distance in red, green and blue (0 to 1) to the colours of the task's bodies
BEFORE_ARM = 0.12  # m, smallest x
AWAY = (-0.4, 0.0)  # m, x and y; nothing of the task is behind the arm
_BOX, _CYLINDER, _BALL = (
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
    mujoco.mjtGeom.mjGEOM_SPHERE,
)
# shape, size as in MJCF (m), height of its middle on the table (m)
_SHAPES = (
    (_CYLINDER, (0.011, 0.014, 0.0), 0.014),
    (_BOX, (0.016, 0.009, 0.008), 0.008),
    (_BALL, (0.012, 0.0, 0.0), 0.012),
    (_BOX, (0.008, 0.008, 0.02), 0.02),
)


def add_distractors(spec: mujoco.MjSpec, number: int) -> None:
    """Add free bodies `distractor_0` and so on to a scene."""
    for i in range(number):
        kind, size, height = _SHAPES[i % len(_SHAPES)]
        body = spec.worldbody.add_body(name=NAME.format(i), pos=(*AWAY, height))
        body.add_freejoint()
        geom = body.add_geom(type=kind, size=size, mass=0.02, condim=6)
        geom.friction = 0.8, 0.02, 0.005  # a ball must not roll away


class Distractors:
    """Places the distractors of a scene, and colours them."""

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, simulation: Simulation, number: int
    ):
        self._model, self._data, self._simulation = model, data, simulation
        self._bodies = [model.body(NAME.format(i)).id for i in range(number)]
        self._placed = [model.body(name).id for name in simulation.place]
        self._radii = [self._radius(body) for body in self._placed]

    def place(self, rng: np.random.Generator) -> None:
        """Draw a pose and a colour for each; one without a free place stays behind the arm."""
        if not self._bodies:
            return
        area = self._simulation.area
        low = np.maximum(np.array(area.min) - MARGIN, (BEFORE_ARM, -np.inf))
        high = np.array(area.max) + MARGIN
        taken: list[tuple[Floats, float]] = [
            (self._data.xpos[body][:2].copy(), radius)
            for body, radius in zip(self._placed, self._radii)
        ]
        for i, body in enumerate(self._bodies):
            at = np.array(AWAY) - (0.0, 0.05 * i)
            for _ in range(TRIES):
                drawn = rng.uniform(low, high)
                if all(math.dist(drawn, other) > r + RADIUS + GAP for other, r in taken):
                    at = drawn
                    taken.append((at, RADIUS))
                    break
            self._put(body, at, _SHAPES[i % len(_SHAPES)][2], rng.uniform(-math.pi, math.pi))
            self._model.geom_rgba[self._model.body_geomadr[body], :3] = self._colour(rng)
        mujoco.mj_forward(self._model, self._data)

    def _colour(self, rng: np.random.Generator) -> Floats:
        """Draw a colour (3,) that is not like that of a placed body."""
        geoms = np.flatnonzero(np.isin(self._model.geom_bodyid, self._placed))
        material = self._model.geom_matid[geoms]
        taken = np.where(
            (material >= 0)[:, None], self._model.mat_rgba[material], self._model.geom_rgba[geoms]
        )[:, :3]
        drawn = rng.uniform(0.1, 0.9, (TRIES, 3))
        away = np.linalg.norm(drawn[:, None] - taken, axis=2).min(1)
        colour: Floats = drawn[np.argmax(away > UNLIKE)]
        return colour

    def _radius(self, body: int) -> float:
        """Return the largest horizontal distance from the middle of a body to its surface, m."""
        radius = 0.0
        for geom in np.flatnonzero(self._model.geom_bodyid == body):
            size, kind = self._model.geom_size[geom], self._model.geom_type[geom]
            own = {_BOX: math.hypot(*size[:2]), _CYLINDER: size[0]}.get(
                kind, self._model.geom_rbound[geom]
            )
            radius = max(radius, math.hypot(*self._model.geom_pos[geom][:2]) + own)
        return radius

    def _put(self, body: int, at: Floats, height: float, yaw: float) -> None:
        joint = self._model.body_jntadr[body]
        qpos, qvel = self._model.jnt_qposadr[joint], self._model.jnt_dofadr[joint]
        self._data.qpos[qpos : qpos + 3] = (*at, height)
        self._data.qpos[qpos + 3 : qpos + 7] = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        self._data.qvel[qvel : qvel + 6] = 0.0
