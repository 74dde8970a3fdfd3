"""The cube's start poses and the success criterion of each task in the simulated cell.

The task schema (hilserl_core) defines observations and actions; a layout defines the purpose. The
cube is never attached to the gripper: only friction holds it.
"""

from dataclasses import dataclass
from math import pi

from so101_node.errors import CellError


@dataclass(frozen=True)
class Layout:
    """Start poses of the cube, and the success criterion. Lengths m, angles rad, base_link."""

    cube_range: float  # +- in x and y around the middle of its area
    cube_yaw: float  # +-
    lifted: float = 0.04  # height of the cube over its start height that is a success
    reached: float = 0.0  # if not 0: the success is the tool this near to the cube's middle
    lost: float = 0.09  # at this distance from the middle of its area the cube is lost


LAYOUTS = {
    'grasp_lift': Layout(0.04, 0.3),
    'grasp_lift_wide': Layout(0.08, pi / 4, lost=0.13),  # any yaw: the cube is symmetric
    # at a grasp, the fixed finger is 21 mm from the cube's middle
    'reach': Layout(0.04, 0.3, lifted=0.0, reached=0.03),
}


def find_layout(task: str) -> Layout:
    """Return the layout of a task; CellError lists the tasks if it is unknown."""
    if task not in LAYOUTS:
        raise CellError(f'the simulated cell has no task {task!r}; it has ' + ', '.join(LAYOUTS))
    return LAYOUTS[task]
