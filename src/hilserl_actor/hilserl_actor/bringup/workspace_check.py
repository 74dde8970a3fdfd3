"""Whether a task fits the workspace of a bench."""

from hilserl_core.contract.task import TaskSchema
from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError

from ..loop.reset_motion import ABOVE


def require_start_inside(task: TaskSchema, kinematics: KinematicsConfig) -> None:
    """Raise CellError if the start pose, or the height of a reset, is outside the workspace."""
    spread = task.start_spread
    for axis, value, low, high in zip('xyz', task.start, *kinematics.reachable_box):
        if not low <= value - spread <= value + spread <= high:
            raise CellError(
                f'task {task.name}: start {axis} {value} +- {spread} m is not in the workspace '
                f'of this bench, {low:g} to {high:g} m; correct workspace_min or workspace_max'
            )
    top = kinematics.reachable_box[1][2]
    if top < ABOVE:
        raise CellError(
            f'a reset moves across at {ABOVE} m, and the workspace of this bench ends at '
            f'{top:g} m; correct workspace_max'
        )
