"""What differs between episodes besides the poses: colours, light and the cameras' directions.

The task says what a training sees; the world may go beyond that.
"""

import math

import mujoco
import numpy as np

from hilserl_core.contract.scene_file import Simulation
from so101_node.errors import CellError

from .bodies import WORLD
from .scene import body_id
from .worlds import Conditions


class Variation:
    """Draws the looks of a scene. It starts from those of the MJCF file each time."""

    def __init__(self, model: mujoco.MjModel, simulation: Simulation, conditions: Conditions):
        self._model, self._simulation, self._conditions = model, simulation, conditions
        self._materials = {name: self._material(name) for name in simulation.colours}
        self._diffuse, self._light_dir = model.light_diffuse.copy(), model.light_dir.copy()
        self._colours = model.mat_rgba.copy(), model.geom_rgba.copy()
        self._cameras: np.ndarray | None = None  # (C, 4) wxyz, before the first draw

    def _material(self, name: str) -> int:
        number = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_MATERIAL, name)
        if number < 0:
            raise CellError(f'sim.colours: the scene has no material {name!r}')
        return int(number)

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the looks of one episode."""
        simulation = self._simulation
        self._model.mat_rgba[:], self._model.geom_rgba[:] = self._colours
        for name, colours in simulation.colours.items():
            if colours:
                colour = colours[int(rng.integers(len(colours)))]
                self._model.mat_rgba[self._materials[name], :3] = np.clip(colour, 0.0, 1.0)
        if light := simulation.light + self._conditions.light_shift:
            self._model.light_diffuse[:] = self._diffuse * (1.0 + rng.uniform(-light, light))
        if self._conditions.colour_shift:
            self._shift_colours(rng, self._conditions.colour_shift)
        if shift := self._conditions.light_shift:
            turned = self._light_dir + rng.uniform(-shift, shift, self._light_dir.shape)
            self._model.light_dir[:] = turned / np.linalg.norm(turned, axis=1, keepdims=True)
        if simulation.camera_jitter:
            self._turn_cameras(rng, math.radians(simulation.camera_jitter))

    def _shift_colours(self, rng: np.random.Generator, limit: float) -> None:
        """Shift the colours of the table and of the placed bodies."""
        model = self._model
        bodies = [WORLD, *(body_id(model, name) for name in self._simulation.place)]
        geoms = np.flatnonzero(np.isin(model.geom_bodyid, bodies))
        for number in np.unique(model.geom_matid[geoms]):
            shift = rng.uniform(-limit, limit, 3)
            of, at = model.mat_rgba, number
            if number < 0:  # geoms without a material
                of, at = model.geom_rgba, geoms[model.geom_matid[geoms] < 0]
            of[at, :3] = np.clip(of[at, :3] + shift, 0.0, 1.0)

    def _turn_cameras(self, rng: np.random.Generator, limit: float) -> None:
        if self._cameras is None:  # after the conditions of the world have turned them
            self._cameras = self._model.cam_quat.copy()
        for number, quaternion in enumerate(self._cameras):
            axis = rng.normal(size=3)
            turn, turned = np.zeros(4), np.zeros(4)
            mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), rng.uniform(0.0, limit))
            mujoco.mju_mulQuat(turned, quaternion, turn)
            self._model.cam_quat[number] = turned
