"""The named tasks. A task is a function of the arm's model hash and the camera's image size."""
from math import pi

from so101_description.errors import CellError
from so101_description.joints import JOINTS, LOWER, UPPER
from so101_description.names import BASE_FRAME, WRIST_CAMERA

from .task import CameraSpec, TaskSchema

BOX_MIN = (0.10, -0.15, 0.0135)     # lower, the finger pads drag on the table
BOX_MAX = (0.35, 0.15, 0.25)
FRAME_SIZE = 64
# A loaded joint lags by a few hundredths of a rad, a squeezing gripper by its whole lead.
FOLLOWING_ERROR_SCALE = (0.1, 0.1, 0.1, 0.1, 0.1, 0.3)


def grasp_lift(model_hash: str, image_width: int = 160, image_height: int = 120) -> TaskSchema:
    """Grasp a small cube on the table and lift it by 4 cm. 19 state values, one wrist camera."""
    return _task('grasp_lift', model_hash, image_width, image_height)


def reach(model_hash: str, image_width: int = 160, image_height: int = 120) -> TaskSchema:
    """Bring the tool to the cube: the shortest task that uses every part of the cell."""
    return _task('reach', model_hash, image_width, image_height)


TASKS = {'grasp_lift': grasp_lift, 'reach': reach}


def make_task(
        name: str, model_hash: str, image_width: int = 160, image_height: int = 120) -> TaskSchema:
    """The task of that name for a camera of that image size; CellError if there is none."""
    if name not in TASKS:
        raise CellError(f'there is no task {name!r}; the tasks are ' + ', '.join(TASKS))
    return TASKS[name](model_hash, image_width, image_height)


def _task(name, model_hash, image_width, image_height) -> TaskSchema:
    side = min(image_width, image_height)
    camera = CameraSpec(
        name=WRIST_CAMERA, source_width=image_width, source_height=image_height,
        top=(image_height - side) // 2, left=(image_width - side) // 2, height=side, width=side,
        out_height=FRAME_SIZE, out_width=FRAME_SIZE)
    actions = ('dx', 'dy', 'dz', 'gripper')
    middle = [0.5 * float(low + high) for low, high in zip(LOWER, UPPER)]
    half = [0.5 * float(high - low) for low, high in zip(LOWER, UPPER)]
    return TaskSchema(
        name=name,
        cameras=(camera,),
        state_names=(
            *(f'{joint}.position' for joint in JOINTS),
            *(f'{joint}.following_error' for joint in JOINTS),
            'tool.x', 'tool.y', 'tool.z',
            *(f'previous.{action}' for action in actions)),
        state_units=('rad',) * 12 + ('m',) * 3 + ('1',) * 4,
        state_offset=(
            *middle, *(0.0,) * 6,
            *(0.5 * (low + high) for low, high in zip(BOX_MIN, BOX_MAX)), *(0.0,) * 4),
        state_scale=(
            *half, *FOLLOWING_ERROR_SCALE,
            *(0.5 * (high - low) for low, high in zip(BOX_MIN, BOX_MAX)), *(1.0,) * 4),
        action_names=actions,
        action_scale=0.02,
        gripper_step=0.2,
        frame=BASE_FRAME,
        rate=10.0,
        max_steps=100,
        pitch=pi / 2,
        wrist_roll=0.0,
        start=(0.25, 0.0, 0.07),
        start_spread=0.01,
        box_min=BOX_MIN,
        box_max=BOX_MAX,
        model_hash=model_hash)
