"""Whether the scene of a task fits: its bodies can be placed, and nothing is done at the start."""

import numpy as np

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import REST
from so101_node.errors import CellError

from .scene import scene_of
from .world import World

PLACEMENTS = 20
SETTLE = 100  # physics steps
GRIPPER = 0.6  # rad, as at the end of a reset


def scene_problems(task: str, schema: TaskSchema) -> list[str]:
    """Return a sentence for each thing that makes the task impossible in the simulated cell.

    CellError if the scene cannot be loaded.
    """
    world = World(scene=scene_of(task))
    kinematics = kinematics_of(schema)
    start = kinematics.solve(schema.start, schema.pitch, schema.wrist_roll, GRIPPER, REST).q
    try:
        world.place_bodies(PLACEMENTS)  # the arm is at rest
    except CellError:
        return ['sim.place: the bodies cannot be placed without a contact; change place or apart']
    world.place_arm(start)
    try:
        for _ in range(PLACEMENTS):
            world.place_bodies()
            world.step(SETTLE)
            if world.success:
                return [
                    'sim.success is reached before anything was done, with '
                    + ', '.join(
                        f'{name} at {np.round(world.pose(name)[0], 3).tolist()}'
                        for name in world.simulation.place
                    )
                ]
    except CellError:
        return ['sim.place: the arm at its start pose touches a body; change start or place']
    return []
