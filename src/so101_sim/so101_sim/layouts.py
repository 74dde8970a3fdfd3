"""What the simulated cell lays out for each task, and what it calls success there.

The task schema (hilserl_learner) says what a policy sees and does; this says what it is for. The
cube is never fixed to anything: friction alone holds it.
"""

from dataclasses import dataclass
from math import pi

from so101_node.errors import CellError


@dataclass(frozen=True)
class Layout:
    """Where the cube may lie, and what is to be done. Lengths m, angles rad, base_link."""

    cube_range: float  # +- in x and y around the middle of its area
    cube_yaw: float  # +-
    lifted: float = 0.04  # height of the cube over where it lay; 0: it need not move ...
    reached: float = 0.0  # ... and this near to its middle the tool must come
    lost: float = 0.09  # farther than this from the middle of its area it is gone


LAYOUTS = {
    'grasp_lift': Layout(0.04, 0.3),
    'grasp_lift_wide': Layout(0.08, pi / 4, lost=0.13),  # a square cube: any yaw
    # the fixed finger stands 21 mm before the cube's middle when it may close
    'reach': Layout(0.04, 0.3, lifted=0.0, reached=0.03),
}


def find_layout(task: str) -> Layout:
    """The layout of that task; CellError lists what there is."""
    if task not in LAYOUTS:
        raise CellError(f'the simulated cell has no task {task!r}; it has ' + ', '.join(LAYOUTS))
    return LAYOUTS[task]
