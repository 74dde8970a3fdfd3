"""Finds and reads task files, and makes the schema of a task.

An installed task is named, a user's task is given by the path of its file.
"""

from math import isfinite, radians
from pathlib import Path
from typing import Any

import msgspec

from so101_description.action_space import DEFAULT, GRIPPER, TOOL_AXES, TRANSLATIONS
from so101_description.joints import JOINTS, LOWER, UPPER
from so101_node.data_files import decode
from so101_node.errors import CellError
from so101_node.foreign_files import expanded, read_bytes
from so101_node.names import BASE_FRAME, camera_of, check_role
from so101_node.options import nearest

from .scene_file import problem
from .task import CameraSpec, ResetPoint, TaskSchema
from .task_file import Action, Camera, StateGroup, TaskFile

DIRECTORY = Path(__file__).resolve().parents[1] / 'tasks'
SUFFIX = '.yaml'
MAX_BYTES = 100_000  # of a task file
# rad; a loaded joint lags by a few hundredths, a gripper that squeezes by its whole lead.
FOLLOWING_ERROR_SCALE = (0.1, 0.1, 0.1, 0.1, 0.1, 0.3)
VELOCITY_SCALE = 1.0  # rad/s; the driver's limit is 2
NEEDED: tuple[StateGroup, ...] = ('joint_positions', 'tool_position')


def installed_tasks() -> tuple[str, ...]:
    """Return the names of the tasks that come with the suite."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob('*' + SUFFIX)))


def task_path(task: str) -> Path:
    """Return the file of a task: of an installed one by its name, else by its path.

    CellError if there is no such task.
    """
    if '/' in task or task.endswith((SUFFIX, '.yml')):
        return expanded(task).absolute()
    known = installed_tasks()
    if task not in known:
        raise CellError(
            f'there is no task {task!r}{nearest(task, known)}; the tasks are {", ".join(known)}, '
            'and your own is given by the path of its file, such as ./my_task.yaml'
        )
    return DIRECTORY / (task + SUFFIX)


def read_task(task: str) -> TaskFile:
    """Read the file of a task, given by name or path; CellError names the first bad key."""
    path = task_path(task)
    content = read_bytes(path, 'task', MAX_BYTES, './cell task new makes one')
    found = decode(content, TaskFile, f'task {path}', 'docs/tasks.md has every key', is_yaml=True)
    _require_finite(msgspec.to_builtins(found), f'task {path}')
    for role in found.cameras:
        check_role(f'task {path}: cameras', role)
    for group in NEEDED:
        if group not in found.state:
            raise CellError(f'task {path}: state has no {group}, which the checks of bags need')
    if len(set(found.state)) < len(found.state):
        raise CellError(f'task {path}: state has a word twice')
    if sentence := _action_problem(found.action):
        raise CellError(f'task {path}: action {sentence}')
    if found.sim and (sentence := problem(found.sim) or _turn_problem(found)):
        raise CellError(f'task {path}: {sentence}')
    for axis, low, high in zip('xyz', found.box.min, found.box.max):
        if not low < high:
            raise CellError(
                f'task {path}: box.min {low:g} m is not below box.max {high:g} m on {axis}'
            )
    return found


def _action_problem(action: Action) -> str:
    """Return why the keys of an action do not fit together, or ''."""
    if not action.scales():
        return 'moves nothing; give at least one axis a scale'
    if action.discrete_gripper and not action.gripper:
        return 'has discrete_gripper, but gripper is 0'
    tool = {name: getattr(action, name) for name in TOOL_AXES if name != GRIPPER}
    both = [f'{name} {scale:g}' for name, scale in tool.items() if scale]
    if action.joints and both:
        return f'has joints and {", ".join(both)}; set dx, dy, dz, droll and dpitch to 0'
    return ''


def _turn_problem(task: TaskFile) -> str:
    """Return why the scripted operator cannot turn the wrist as the task wants, or ''."""
    turns = {'droll', 'wrist_roll'} & set(task.action.scales())
    if task.sim and task.sim.skill and task.sim.skill.turn and not turns:
        return 'sim.skill.turn needs an axis that turns the wrist: action.droll'
    return ''


def _scale_fields(task: TaskFile, rate: float) -> dict[str, Any]:
    """Return the fields of the schema that hold the scales of the action, at this rate."""
    scales = task.action.scales()
    factor = task.rate / rate
    if tuple(scales) == DEFAULT.names and len({scales[name] for name in TRANSLATIONS}) == 1:
        return {
            'action_scale': task.action.dx * task.rate / rate,
            'gripper_step': task.action.gripper * task.rate / rate,
        }
    return {
        'action_scale': 0.0,
        'gripper_step': 0.0,
        'action_scales': tuple(scale * factor for scale in scales.values()),
    }


def _require_finite(value: Any, where: str) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise CellError(f'{where} is {value}, which is no number')
    if isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _require_finite(item, f'{where}: {key}')


def make_task(
    task: str,
    model_hash: str,
    image_width: int = 160,
    image_height: int = 120,
    rate: float = 0.0,
    frame_size: int = 0,
) -> TaskSchema:
    """Return the schema of a task, given by its name or the path of its file.

    image_width, image_height: of the images of cameras without `image`, pixels. rate: Hz, in place
    of the file's; it does not change the speeds or the time limit of an episode. frame_size: the
    height and width of the stored images, pixels, in place of the file's. CellError if there is no
    such task.
    """
    return schema_of(read_task(task), model_hash, image_width, image_height, rate, frame_size)


def schema_of(
    task: TaskFile,
    model_hash: str,
    image_width: int,
    image_height: int,
    rate: float = 0.0,
    frame_size: int = 0,
) -> TaskSchema:
    """Return the schema of a task that was read; the arguments are those of `make_task`."""
    if rate and not 1.0 <= rate <= 60.0:
        raise CellError(f'task {task.name}: a rate of {rate:g} Hz is not between 1 and 60')
    if frame_size and not 32 <= frame_size <= 256:
        raise CellError(
            f'task {task.name}: a frame size of {frame_size} is not between 32 and 256'
        )
    rate = rate or task.rate
    actions = tuple(task.action.scales())
    names, units, offsets, scales = zip(
        *(entry for group in task.state for entry in _state_entries(group, task, actions))
    )
    return TaskSchema(
        name=task.name,
        cameras=tuple(
            _camera_spec(camera_of(role), camera, image_width, image_height, frame_size)
            for role, camera in task.cameras.items()
        ),
        state_names=names,
        state_units=units,
        state_offset=offsets,
        state_scale=scales,
        action_names=actions,
        **_scale_fields(task, rate),
        discrete_gripper=task.action.discrete_gripper,
        frame=BASE_FRAME,
        rate=rate,
        max_steps=round(task.seconds * rate),
        pitch=radians(task.start.pitch),
        wrist_roll=radians(task.start.roll),
        start=task.start.position,
        start_spread=task.start.spread,
        box_min=task.box.min,
        box_max=task.box.max,
        model_hash=model_hash,
        instruction=task.instruction,
        reset=tuple(ResetPoint(move.position, move.gripper) for move in task.reset),
        discount=task.learning.discount or 0.0,
    )


def _camera_spec(
    name: str, camera: Camera, image_width: int, image_height: int, frame_size: int
) -> CameraSpec:
    height, width = frame_size or camera.height, frame_size or camera.width
    if camera.image:
        image_width, image_height = camera.image
    if camera.crop:
        crop = camera.crop.top, camera.crop.left, camera.crop.height, camera.crop.width
    else:  # the largest part in the middle with the proportions of the stored image
        used_height = min(image_height, image_width * height // width)
        used_width = min(image_width, image_height * width // height)
        crop = (
            (image_height - used_height) // 2,
            (image_width - used_width) // 2,
            used_height,
            used_width,
        )
    return CameraSpec(name, image_width, image_height, *crop, height, width)


Entry = tuple[str, str, float, float]  # name, unit, offset and scale of a state value


def _state_entries(group: StateGroup, task: TaskFile, actions: tuple[str, ...]) -> list[Entry]:
    if group == 'joint_positions':
        return [
            (f'{joint}.position', 'rad', 0.5 * float(low + high), 0.5 * float(high - low))
            for joint, low, high in zip(JOINTS, LOWER, UPPER)
        ]
    if group == 'following_errors':
        return [
            (f'{joint}.following_error', 'rad', 0.0, scale)
            for joint, scale in zip(JOINTS, FOLLOWING_ERROR_SCALE)
        ]
    if group == 'tool_position':
        return [
            (f'tool.{axis}', 'm', 0.5 * (low + high), 0.5 * (high - low))
            for axis, low, high in zip('xyz', task.box.min, task.box.max)
        ]
    if group == 'joint_velocities':
        return [(f'{joint}.velocity', 'rad/s', 0.0, VELOCITY_SCALE) for joint in JOINTS]
    return [(f'previous.{action}', '1', 0.0, 1.0) for action in actions]
