"""Whether the conditions of a task's success are fulfilled in the scene."""

import math

import mujoco
import numpy as np

from hilserl_core.contract.scene_file import (
    TOOL,
    Condition,
    Inside,
    Lifted,
    Near,
    On,
    Released,
    Simulation,
    Touching,
)
from so101_description.joints import Floats

from .bodies import Bodies


class Success:
    """The conditions of a task; `update` after each physics step, then read `reached`."""

    def __init__(self, simulation: Simulation, bodies: Bodies):
        self._simulation, self._bodies = simulation, bodies
        self._since = math.inf  # time at which all conditions were first fulfilled, s

    def reset(self) -> None:
        """Start anew, after a placement."""
        self._since = math.inf

    def update(self, time: float, tool: Floats) -> None:
        """Note whether all conditions are fulfilled. time: simulated s; tool: (3,) m."""
        if self._simulation.hold > 0.0:
            self._since = min(self._since, time) if self.fulfilled(tool) else math.inf

    def reached(self, time: float, tool: Floats) -> bool:
        """Whether they have been fulfilled for the time that the task asks for."""
        if self._simulation.hold > 0.0:
            return time - self._since >= self._simulation.hold
        return self.fulfilled(tool)

    def fulfilled(self, tool: Floats) -> bool:
        """Whether all conditions are fulfilled now."""
        return all(self._is(condition, tool) for condition in self._simulation.success)

    def _is(self, condition: Condition, tool: Floats) -> bool:
        bodies, name = self._bodies, condition.body
        position = bodies.pose(name)[0]
        if isinstance(condition, Lifted):
            return bool(position[2] - self._simulation.place[name].position[2] >= condition.by)
        if isinstance(condition, Near):
            other = tool if condition.to == TOOL else bodies.pose(condition.to)[0]
            return bool(np.linalg.norm(position - other) <= condition.within)
        if isinstance(condition, Inside):
            if condition.of:
                position = _in_frame(position, *bodies.pose(condition.of))
            return bool(((position >= condition.min) & (position <= condition.max)).all())
        if isinstance(condition, On):
            away = position - bodies.pose(condition.of)[0]
            above = away[2] > 0.0 and math.hypot(*away[:2]) <= condition.within
            return bool(above and bodies.touching(name, condition.of))
        if isinstance(condition, Touching):
            return bodies.touching(name, condition.other)
        if isinstance(condition, Released):
            return not bodies.touched_by_arm(name)
        return bodies.speed(name) <= condition.speed


def _in_frame(position: Floats, origin: Floats, quaternion: Floats) -> Floats:
    """Return a position (3,) m in the frame of a body with this origin and orientation."""
    inverse, found = np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(inverse, quaternion)
    mujoco.mju_rotVecQuat(found, position - origin, inverse)
    return found
