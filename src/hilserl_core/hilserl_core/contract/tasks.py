"""The named tasks: functions of the arm's model, the camera's image size and the rate."""

from math import pi

from so101_description.joints import JOINTS, LOWER, UPPER
from so101_description.kinematics_config import KinematicsConfig
from so101_node.errors import CellError
from so101_node.names import BASE_FRAME, WRIST_CAMERA

from .task import CameraSpec, TaskSchema

ARM = KinematicsConfig()  # scales at 10 Hz, and the workspace box
FRAME_SIZE = 64
# rad; a loaded joint lags by a few hundredths, a gripper that squeezes by its whole lead.
FOLLOWING_ERROR_SCALE = (0.1, 0.1, 0.1, 0.1, 0.1, 0.3)


# so101_sim defines the objects and the success of each task in the simulated cell.
TASKS = {
    'grasp_lift': 'grasp a small cube on the table and lift it by 4 cm',
    'grasp_lift_wide': 'the same, with the cube up to twice as far away and at any angle',
    'reach': 'bring the tool to the cube: the shortest task that uses every part of the cell',
}
RATE = 10.0  # Hz


def make_task(
    name: str,
    model_hash: str,
    image_width: int = 160,
    image_height: int = 120,
    rate: float = RATE,
    frame_size: int = FRAME_SIZE,
) -> TaskSchema:
    """The task of that name: 19 state values, one wrist camera.

    The camera has that image size, in pixels. Stored images are frame_size square. Another rate
    (Hz) does not change the speeds or the 10 s of an episode. CellError if there is no such task.
    """
    if name not in TASKS:
        raise CellError(f'there is no task {name!r}; the tasks are ' + ', '.join(TASKS))
    if not 1.0 <= rate <= 60.0:
        raise CellError(f'task {name}: a rate of {rate:g} Hz is not between 1 and 60')
    if not 32 <= frame_size <= 256:
        raise CellError(f'task {name}: a frame size of {frame_size} is not between 32 and 256')
    side = min(image_width, image_height)
    camera = CameraSpec(
        name=WRIST_CAMERA,
        source_width=image_width,
        source_height=image_height,
        top=(image_height - side) // 2,
        left=(image_width - side) // 2,
        height=side,
        width=side,
        out_height=frame_size,
        out_width=frame_size,
    )
    actions = ('dx', 'dy', 'dz', 'gripper')
    middle = [0.5 * float(low + high) for low, high in zip(LOWER, UPPER)]
    half = [0.5 * float(high - low) for low, high in zip(LOWER, UPPER)]
    return TaskSchema(
        name=name,
        cameras=(camera,),
        state_names=(
            *(f'{joint}.position' for joint in JOINTS),
            *(f'{joint}.following_error' for joint in JOINTS),
            'tool.x',
            'tool.y',
            'tool.z',
            *(f'previous.{action}' for action in actions),
        ),
        state_units=('rad',) * 12 + ('m',) * 3 + ('1',) * 4,
        state_offset=(
            *middle,
            *(0.0,) * 6,
            *(0.5 * (low + high) for low, high in zip(ARM.box_min, ARM.box_max)),
            *(0.0,) * 4,
        ),
        state_scale=(
            *half,
            *FOLLOWING_ERROR_SCALE,
            *(0.5 * (high - low) for low, high in zip(ARM.box_min, ARM.box_max)),
            *(1.0,) * 4,
        ),
        action_names=actions,
        action_scale=ARM.action_scale * RATE / rate,
        gripper_step=ARM.gripper_step * RATE / rate,
        frame=BASE_FRAME,
        rate=rate,
        max_steps=round(10.0 * rate),
        pitch=pi / 2,
        wrist_roll=0.0,
        start=(0.25, 0.0, 0.07),
        start_spread=0.01,
        box_min=ARM.box_min,
        box_max=ARM.box_max,
        model_hash=model_hash,
    )
