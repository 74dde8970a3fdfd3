"""Observations: convert camera image and joint positions to what steps, bags and networks hold.

Recording, training, evaluation and import all use these two functions.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from so101_description.joints import JOINTS
from so101_node.errors import CellError

from .task import CameraSpec, TaskSchema

MAX_SKEW = 0.1  # s between the images of two cameras in one observation


def crop_resize(image: npt.NDArray[np.uint8], spec: CameraSpec) -> npt.NDArray[np.uint8]:
    """Crop a (source_height, source_width, 3) uint8 image as `spec` says, and resize the crop.

    Returns (out_height, out_width, 3) uint8, contiguous. CellError if the image has
    another size, because the crop would show something else.
    """
    import cv2  # only who sees images waits for it

    require_size(image, spec)
    crop = image[spec.top : spec.top + spec.height, spec.left : spec.left + spec.width]
    size = (spec.out_width, spec.out_height)
    return np.ascontiguousarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA))


def require_size(image: npt.NDArray[np.uint8], spec: CameraSpec) -> None:
    """CellError unless an image is (source_height, source_width, 3) uint8."""
    expected = (spec.source_height, spec.source_width, 3)
    if image.shape != expected or image.dtype != np.uint8:
        raise CellError(
            f'camera {spec.name}: image is {image.shape} {image.dtype}, the task expects '
            f'{expected} uint8; make the sizes of camera and task equal'
        )


def nearest_together(stamps: Sequence[Sequence[int]]) -> list[int]:
    """Return the place of each camera's image, so that all are as near in time as they come.

    stamps: of the images of each camera, ns, at least one. The images are those nearest to the
    moment that is the newest one of which every camera has an image.
    """
    moment = min(map(max, stamps))
    return [
        min(range(len(each)), key=lambda place: (abs(each[place] - moment), -each[place]))
        for each in stamps
    ]


def state_vector(
    schema: TaskSchema,
    position: npt.ArrayLike,
    reference: npt.ArrayLike,
    tool: npt.ArrayLike,
    previous_action: npt.ArrayLike,
    velocity: npt.ArrayLike,
) -> npt.NDArray[np.float32]:
    """The task's state: (S,) float32, in the order of its `state_names`.

    position, reference: (6,) rad, measured and commanded joint angles; tool: (3,) m, measured, in
    base_link; previous_action: (A,), zeros at an episode's start; velocity: (6,) rad/s, of
    `JointVelocity`.
    """
    position = np.asarray(position, np.float64)
    every = np.concatenate(
        [position, np.asarray(reference, np.float64) - position, tool, previous_action, velocity]
    )
    return every[_places(schema.state_names, schema.action_names)].astype(np.float32)


class JointVelocity:
    """The velocity of the joints between the last two observations of an episode.

    It comes from measured positions alone: an arm, its simulation and a recording give the same.
    """

    def __init__(self) -> None:
        self._stamp, self._position = 0, np.zeros(len(JOINTS))
        self._velocity = np.zeros(len(JOINTS))

    def at(self, stamp: int, position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return (6,) rad/s; zeros at an episode's start. stamp: ns; position: (6,) rad."""
        position = np.asarray(position, np.float64)
        if stamp > self._stamp:
            if self._stamp:
                self._velocity = (position - self._position) * 1e9 / (stamp - self._stamp)
            self._stamp, self._position = stamp, position
        return self._velocity


@cache
def _places(state_names: tuple[str, ...], action_names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """Return where each state value is in the concatenation of `state_vector`."""
    every = [
        *(f'{joint}.position' for joint in JOINTS),
        *(f'{joint}.following_error' for joint in JOINTS),
        *(f'tool.{axis}' for axis in 'xyz'),
        *(f'previous.{action}' for action in action_names),
        *(f'{joint}.velocity' for joint in JOINTS),
    ]
    for name in state_names:
        if name not in every:
            raise CellError(f'this suite cannot measure the state {name!r} of the task')
    return np.array([every.index(name) for name in state_names], np.intp)
