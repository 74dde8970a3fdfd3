"""What differs between episodes besides the poses: colours, light and the cameras' directions."""

import math

import mujoco
import numpy as np

from hilserl_core.contract.scene_file import Simulation
from so101_node.errors import CellError


class Variation:
    """Draws the looks of a scene. It starts from those of the MJCF file each time."""

    def __init__(self, model: mujoco.MjModel, simulation: Simulation):
        self._model, self._simulation = model, simulation
        self._materials = {name: self._material(name) for name in simulation.colours}
        self._diffuse = model.light_diffuse.copy()
        self._cameras: np.ndarray | None = None  # (C, 4) wxyz, before the first draw

    def _material(self, name: str) -> int:
        number = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_MATERIAL, name)
        if number < 0:
            raise CellError(f'sim.colours: the scene has no material {name!r}')
        return int(number)

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the looks of one episode."""
        simulation = self._simulation
        for name, colours in simulation.colours.items():
            if colours:
                colour = colours[int(rng.integers(len(colours)))]
                self._model.mat_rgba[self._materials[name], :3] = np.clip(colour, 0.0, 1.0)
        if simulation.light:
            self._model.light_diffuse[:] = self._diffuse * (
                1.0 + rng.uniform(-simulation.light, simulation.light)
            )
        if simulation.camera_jitter:
            self._turn_cameras(rng, math.radians(simulation.camera_jitter))

    def _turn_cameras(self, rng: np.random.Generator, limit: float) -> None:
        if self._cameras is None:  # after the conditions of the world have turned them
            self._cameras = self._model.cam_quat.copy()
        for number, quaternion in enumerate(self._cameras):
            axis = rng.normal(size=3)
            turn, turned = np.zeros(4), np.zeros(4)
            mujoco.mju_axisAngle2Quat(turn, axis / np.linalg.norm(axis), rng.uniform(0.0, limit))
            mujoco.mju_mulQuat(turned, quaternion, turn)
            self._model.cam_quat[number] = turned
