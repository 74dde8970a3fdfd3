"""The format of a task file: every key with its type, range and meaning.

`./cell task new`, the checks and docs/tasks.md come from these structs. `tasks` turns a file into
a `TaskSchema`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from so101_description.action_space import GRIPPER, JOINT_AXES, TOOL_AXES

from .scene_file import Simulation

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Point = tuple[float, float, float]
Side = Annotated[int, Meta(ge=16, le=4096)]  # of a camera's image, pixels
StateGroup = Literal[
    'joint_positions', 'following_errors', 'tool_position', 'previous_action', 'joint_velocities'
]
MOST = {'m': 0.1, 'rad': 0.3}  # of a scale; the kinematics turn a joint by 0.35 rad at most
STATE: tuple[StateGroup, ...] = (
    'joint_positions',
    'following_errors',
    'tool_position',
    'previous_action',
)


class _Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mapping of a task file."""


class Crop(_Entry, frozen=True):
    """The part of the camera's image that is used, in pixels of that image."""

    top: Annotated[int, Meta(description='rows above the crop; pixels')]
    left: Annotated[int, Meta(description='columns to the left of the crop; pixels')]
    height: Annotated[int, Meta(description='height of the crop; pixels')]
    width: Annotated[int, Meta(description='width of the crop; pixels')]


class Camera(_Entry, frozen=True):
    """One camera."""

    height: Annotated[
        int, Meta(ge=8, le=1024, description='height of the stored image; pixels')
    ] = 64
    width: Annotated[int, Meta(ge=8, le=1024, description='width of the stored image; pixels')] = (
        64
    )
    image: Annotated[
        tuple[Side, Side] | None,
        Meta(
            description="width and height of the camera's own image; pixels (without it: those of "
            'the options image_width and image_height)'
        ),
    ] = None
    crop: Annotated[
        Crop | None,
        Meta(
            description="the part of the camera's image that is used, as top, left, height and "
            'width (without it: the largest part in the middle that has the proportions of the '
            'stored image)'
        ),
    ] = None


def _scale(of: str, unit: str = 'rad') -> Meta:
    """Return the meaning of an axis's scale."""
    return Meta(ge=0.0, le=MOST[unit], description=f'{of}; {unit} (0: held)')


class JointDeltas(_Entry, frozen=True):
    """How far an action of 1 turns each joint in one step."""

    shoulder_pan: Annotated[float, _scale('this joint')] = 0.0
    shoulder_lift: Annotated[float, _scale('this joint')] = 0.0
    elbow_flex: Annotated[float, _scale('this joint')] = 0.0
    wrist_flex: Annotated[float, _scale('this joint')] = 0.0
    wrist_roll: Annotated[float, _scale('this joint')] = 0.0


class Action(_Entry, frozen=True):
    """How far an action of 1 moves in one step; 0: the axis is no part of the action."""

    dx: Annotated[float, _scale('the tool along x of base_link', 'm')] = 0.02
    dy: Annotated[float, _scale('the tool along y of base_link', 'm')] = 0.02
    dz: Annotated[float, _scale('the tool along z of base_link', 'm')] = 0.02
    droll: Annotated[float, _scale('the joint wrist_roll')] = 0.0
    dpitch: Annotated[float, _scale('the fingers, positive to below the horizontal')] = 0.0
    joints: Annotated[
        JointDeltas | None,
        Meta(
            description='single joints, in place of the tool: dx, dy, dz, droll and dpitch must '
            'be 0 then'
        ),
    ] = None
    gripper: Annotated[
        float, Meta(ge=0.0, le=1.0, description='the gripper, positive opens; rad (0: held)')
    ] = 0.2
    discrete_gripper: Annotated[
        bool,
        Meta(
            description='true: the gripper closes, holds or opens by its whole scale (-1, 0 or '
            '1); false: by any part of it'
        ),
    ] = False

    def scales(self) -> dict[str, float]:
        """The scale of each axis that is part of the action, in order: m or rad."""
        of = {name: getattr(self, name) for name in TOOL_AXES}
        if self.joints:
            of = {name: getattr(self.joints, name) for name in JOINT_AXES if name != GRIPPER}
            of[GRIPPER] = self.gripper
        return {name: scale for name, scale in of.items() if scale}


class Start(_Entry, frozen=True):
    """The tool pose at which an episode starts."""

    position: Annotated[
        Point, Meta(description='position of the tool, x, y and z in base_link; m')
    ] = (0.25, 0.0, 0.07)
    spread: Annotated[
        float,
        Meta(
            ge=0.0,
            le=0.2,
            description='the start position is drawn within +- this on each axis; m',
        ),
    ] = 0.01
    pitch: Annotated[
        float,
        Meta(
            ge=-90.0,
            le=180.0,
            description='angle of the fingers below the horizontal, which every action without '
            'dpitch and joints keeps; degrees',
        ),
    ] = 90.0
    roll: Annotated[
        float,
        Meta(
            ge=-150.0,
            le=150.0,
            description='angle of the joint wrist_roll, which every action without droll and '
            'joints keeps; degrees',
        ),
    ] = 0.0


class ResetMove(_Entry, frozen=True):
    """One position of the tool between two episodes."""

    position: Annotated[
        Point, Meta(description='position of the tool, x, y and z in base_link, in the box; m')
    ]
    gripper: Annotated[
        Annotated[float, Meta(ge=0.0, le=1.7)] | None,
        Meta(
            description='angle to which the gripper moves there, 0 is closed; rad (without it: '
            'as before)',
        ),
    ] = None


class Box(_Entry, frozen=True):
    """The workspace box: the tool never leaves it."""

    min: Annotated[Point, Meta(description='lower corner, x, y and z in base_link; m')] = (
        0.10,
        -0.15,
        0.0135,
    )
    max: Annotated[Point, Meta(description='upper corner; m')] = (0.35, 0.15, 0.25)


class Learning(_Entry, frozen=True):
    """Hints to the learner, which a command may replace."""

    discount: Annotated[
        Annotated[float, Meta(ge=0.5, le=1.0)] | None,
        Meta(
            description='by which a reward loses value in a tenth of a second: with 0.97 one that '
            'is 10 s away is worth 0.05 of itself, with 0.99 it is 0.37 (without it: that of the '
            'algorithm; agent_options:=discount=... replaces it)'
        ),
    ] = None


class TaskFile(_Entry, frozen=True, kw_only=True):
    """A whole task file."""

    version: Annotated[Literal[1], Meta(description='version of this format')]
    name: Annotated[
        str,
        Meta(
            pattern='^[a-z][a-z0-9_]{0,60}$',
            description='name of the task: small letters, digits and _',
        ),
    ]
    instruction: Annotated[
        Text,
        Meta(
            description='what is to be done, in one sentence; bags and policies keep it, and '
            'it may change without a new task'
        ),
    ]
    rate: Annotated[float, Meta(ge=1.0, le=60.0, description='control steps a second; Hz')] = 10.0
    seconds: Annotated[
        float, Meta(ge=0.5, le=600.0, description='time limit of an episode; s')
    ] = 10.0
    cameras: Annotated[
        dict[str, Camera],
        Meta(
            min_length=1,
            max_length=8,
            description='the cameras by their roles, such as wrist or front; the networks see '
            'each of them',
        ),
    ]
    state: Annotated[
        tuple[StateGroup, ...],
        Meta(
            description='the numbers that the networks see beside the images, in this order; '
            'joint_positions and tool_position are needed; joint_velocities are those since '
            'the step before'
        ),
    ] = STATE
    action: Annotated[
        Action, Meta(description='how far an action of 1 moves in one step, axis by axis')
    ] = Action()
    start: Annotated[Start, Meta(description='where an episode starts')] = Start()
    reset: Annotated[
        tuple[ResetMove, ...],
        Meta(
            max_length=10,
            description='positions of the tool after an episode, in this order, before it goes '
            'to the start: around an obstacle, or to a place where the gripper opens (without '
            'them: the gripper opens at once)',
        ),
    ] = ()
    box: Annotated[Box, Meta(description='the workspace box, which the tool never leaves')] = Box()
    learning: Annotated[Learning, Meta(description='hints to the learner')] = Learning()
    sim: Annotated[
        Simulation | None,
        Meta(description='scene and success in the simulated cell (without it: real cells only)'),
    ] = None
