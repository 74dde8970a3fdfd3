"""The parameters that make a node's task: the same in actor and learner, or they do not talk."""

from so101_description.model import model_hash
from so101_node.ros_node import CellNode, Parameter

from .task import TaskSchema
from .tasks import FRAME_SIZE, RATE, TASKS, make_task

TASK_PARAMETERS = (
    Parameter('task', 'grasp_lift', 'name of the task', choices=tuple(TASKS)),
    Parameter('image_width', 160, "width of the camera's images, pixels", 16, 4096),
    Parameter('image_height', 120, "height of the camera's images, pixels", 16, 4096),
    Parameter('rate', RATE, 'control steps a second, Hz', 1.0, 60.0),
    Parameter(
        'frame_size',
        FRAME_SIZE,
        'height and width of the frames that are stored and learned from, pixels',
        32,
        256,
    ),
)


def task_of(node: CellNode) -> TaskSchema:
    """The task that a node's parameters describe."""
    return make_task(
        node.param('task'),
        model_hash(),
        *(node.param(parameter.name) for parameter in TASK_PARAMETERS[1:]),
    )
