"""The task schema: what an observation, an action and an episode of one task are.

Its hash is in every step, bag, checkpoint and policy bundle. Two schemas are the same task only
if every field in the hash is equal. `differences` names the fields that are not.
"""

from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
import hashlib
import json
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from so101_description.action_space import GRIPPER, ActionSpace
from so101_node.errors import CellError

MAX_TEXT = 100_000  # characters of a schema's JSON; real ones have 1,500
MAX_SOURCE, MAX_STORED = 16_384, 1_024  # pixels on each side of a camera's and a stored image
_COUNTS = {'cameras': 8, 'state_names': 1_000, 'action_names': 32, 'reset': 10}


@dataclass(frozen=True)
class CameraSpec:
    """One camera: the size of its image, the crop, and the size of the stored image.

    All in pixels. The crop is (top, left, height, width) in the source image.
    """

    name: str
    source_width: int
    source_height: int
    top: int
    left: int
    height: int
    width: int
    out_height: int
    out_width: int

    def __post_init__(self) -> None:
        for name, limit in (
            ('source_width', MAX_SOURCE),
            ('source_height', MAX_SOURCE),
            ('out_width', MAX_STORED),
            ('out_height', MAX_STORED),
        ):
            if not 1 <= getattr(self, name) <= limit:
                raise CellError(
                    f'camera {self.name}: {name} is {getattr(self, name)} pixels; allowed are 1 '
                    f'to {limit}'
                )
        if (
            min(self.top, self.left) < 0
            or min(self.height, self.width) < 1
            or self.top + self.height > self.source_height
            or self.left + self.width > self.source_width
        ):
            raise CellError(
                f'camera {self.name}: crop top {self.top} left {self.left} height {self.height} '
                f'width {self.width} is not inside its {self.source_width}x{self.source_height} '
                'image; correct the crop in the task'
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the stored image: (height, width, 3) uint8."""
        return self.out_height, self.out_width, 3


def require_camera_size(camera: CameraSpec, width: int, height: int) -> None:
    """CellError unless a camera's images have the size that the task expects; pixels."""
    if (width, height) != (camera.source_width, camera.source_height):
        raise CellError(
            f'{camera.name} has images of {width}x{height} pixels, the task expects '
            f'{camera.source_width}x{camera.source_height}; add image: [{width}, {height}] to '
            f'cameras.{camera.name.removesuffix("_camera")} of the task, or change the camera'
        )


@dataclass(frozen=True)
class ResetPoint:
    """A position (3,) m of the tool between two episodes; the gripper then moves to an angle, rad.

    gripper: None keeps the angle.
    """

    position: tuple[float, float, float]
    gripper: float | None = None


@dataclass(frozen=True)
class TaskSchema:
    """One task's contract. Units: m, rad, s, Hz; positions in `frame`.

    A network sees `(state - state_offset) / state_scale`. An action is numbers in [-1, 1], one for
    each of `action_names`. Times its scale, a number is metres in `frame`, or rad; `action_space`
    has names and scales. With `discrete_gripper` the gripper's number is -1, 0 or 1.
    """

    name: str
    cameras: tuple[CameraSpec, ...]
    state_names: tuple[str, ...]
    state_units: tuple[str, ...]
    state_offset: tuple[float, ...]
    state_scale: tuple[float, ...]
    action_names: tuple[str, ...]
    action_scale: float  # m, of each axis but the gripper; 0: see action_scales
    gripper_step: float  # rad; 0: see action_scales
    frame: str
    rate: float
    max_steps: int
    pitch: float  # angle of the tool's approach axis below the horizontal
    wrist_roll: float  # joint angle, constant
    start: tuple[float, float, float]  # tool position at which an episode starts
    start_spread: float  # uniform within +- this, on each axis
    box_min: tuple[float, float, float]
    box_max: tuple[float, float, float]
    model_hash: str  # of the arm's kinematic data
    # One for each of action_names: m or rad. A task of dx, dy, dz and gripper with one scale for
    # the tool has none, so that its hash is that of before.
    action_scales: tuple[float, ...] = ()
    discrete_gripper: bool = False
    # A sentence for people and for models that read text. It is stored, but not in the hash.
    instruction: str = field(default='', compare=False)
    # What the arm does between two episodes. No policy sees it, so it is not in the hash.
    reset: tuple[ResetPoint, ...] = field(default=(), compare=False)
    # Of a tenth of a second, a hint to the learner; 0: none. A checkpoint has what it was.
    discount: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        for name, limit in _COUNTS.items():
            if len(getattr(self, name)) > limit:
                raise CellError(
                    f'task {self.name}: it has {len(getattr(self, name))} {name}; at most {limit} '
                    'are allowed'
                )
        if not self.action_names:
            raise CellError(f'task {self.name}: it has no action_names')
        if self.action_scales and (self.action_scale or self.gripper_step):
            raise CellError(
                f'task {self.name}: it has action_scales, so action_scale and gripper_step must '
                'be 0'
            )
        count = len(self.state_names)
        for name in ('state_units', 'state_offset', 'state_scale'):
            if len(getattr(self, name)) != count:
                raise CellError(
                    f'task {self.name}: {name} has {len(getattr(self, name))} entries for '
                    f'{count} state_names'
                )
        for name, scale in zip(self.state_names, self.state_scale):
            if not scale > 0.0:
                raise CellError(
                    f'task {self.name}: state {name} has scale {scale}; it must be positive'
                )
        for axis, value, low, high in zip('xyz', self.start, self.box_min, self.box_max):
            if not low <= value - self.start_spread <= value + self.start_spread <= high:
                raise CellError(
                    f'task {self.name}: start {axis} {value} +- {self.start_spread} m is not '
                    f'inside the box from {low} to {high} m'
                )
        for number, point in enumerate(self.reset, 1):
            for axis, value, low, high in zip('xyz', point.position, self.box_min, self.box_max):
                if not low <= value <= high:
                    raise CellError(
                        f'task {self.name}: reset position {number}: {axis} {value} m is not '
                        f'inside the box from {low} to {high} m'
                    )

    def canonical(self) -> str:
        """JSON with sorted keys and no spaces. Equal tasks give equal text.

        A field that has a default is left out while it has that value, so that a new field does
        not change the hash of a task that does not use it.
        """
        return _json({name: value for name, value in self._values().items() if name in _HASHED})

    def to_json(self) -> str:
        """The canonical form with the fields that are not in the hash; `from_json` reads it."""
        return _json(self._values())

    def _values(self) -> dict[str, Any]:
        values = asdict(self)
        return {f.name: values[f.name] for f in fields(self) if values[f.name] != f.default}

    @cached_property
    def action_space(self) -> ActionSpace:
        """The axes of an action with their scales; CellError if this arm has not one of them."""
        scales = self.action_scales or tuple(
            self.gripper_step if name == GRIPPER else self.action_scale
            for name in self.action_names
        )
        try:
            return ActionSpace(self.action_names, scales)
        except CellError as error:
            raise CellError(f'task {self.name}: {error}') from None

    def executed(self, action: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """What is executed and stored of a decided action, (..., A): float32 in [-1, 1].

        It is clipped. A discrete gripper closes, holds or opens: the nearest of -1, 0 and 1.
        """
        found = np.clip(action, -1.0, 1.0).astype(np.float32)
        if self.discrete_gripper and (place := self.action_space.gripper) is not None:
            found[..., place] = np.rint(found[..., place]) + 0.0  # no -0
        return found

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form, hex."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> 'TaskSchema':
        """Read a `to_json` or canonical form; CellError if the text is not one."""
        try:
            if len(text) > MAX_TEXT:
                raise ValueError(f'{len(text):,} characters, over the limit of {MAX_TEXT:,}')
            data = msgspec.json.decode(text)
            if not isinstance(data, dict):
                raise ValueError(f'it is a {type(data).__name__}, not an object')
            known = {f.name: f.default is MISSING for f in fields(cls)}
            differing = set(data) - set(known)
            differing |= {name for name, needed in known.items() if needed and name not in data}
            if differing:
                raise ValueError(f'fields {", ".join(sorted(differing))[:200]} differ')
            msgspec.convert(data, cls)  # checks the types; it would also turn 20 into 20.0
            data['cameras'] = tuple(CameraSpec(**camera) for camera in data['cameras'])
            data['reset'] = tuple(
                ResetPoint(tuple(point['position']), point.get('gripper'))
                for point in data.get('reset', ())
            )
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in data.items()
            }
            return cls(**values)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            text = str(error).replace('`', '')[:300]
            raise CellError(f'this is not a task schema of this version: {text}') from error

    def differences(self, other: 'TaskSchema') -> list[str]:
        """One line for each field that differs: `field: OURS here, THEIRS there`."""
        lines = []
        for name in (f.name for f in fields(self) if f.compare):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours == theirs:
                continue
            if name == 'cameras' and [c.name for c in ours] == [c.name for c in theirs]:
                for a, b in zip(ours, theirs):
                    lines += [
                        f'{a.name} {f.name}: {getattr(a, f.name)} here, {getattr(b, f.name)} there'
                        for f in fields(a)
                        if getattr(a, f.name) != getattr(b, f.name)
                    ]
            else:
                lines.append(f'{name}: {ours} here, {theirs} there')
        return lines


_HASHED = {f.name for f in fields(TaskSchema) if f.compare}


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(',', ':'), allow_nan=False)
