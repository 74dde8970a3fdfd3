"""Observations: convert camera image and joint positions to what steps, bags and networks hold.

Recording, training, evaluation and import all use these two functions.
"""

import cv2
import numpy as np
import numpy.typing as npt

from so101_node.errors import CellError

from .task import CameraSpec


def crop_resize(image: npt.NDArray[np.uint8], spec: CameraSpec) -> npt.NDArray[np.uint8]:
    """Crop a (source_height, source_width, 3) uint8 image as `spec` says, and resize the crop.

    Returns (out_height, out_width, 3) uint8, contiguous. CellError if the image has
    another size, because the crop would show something else.
    """
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


def state_vector(
    position: npt.ArrayLike,
    reference: npt.ArrayLike,
    tool: npt.ArrayLike,
    previous_action: npt.ArrayLike,
) -> npt.NDArray[np.float32]:
    """The task's state: (19,) float32, in the order of its `state_names`.

    position, reference: (6,) rad, measured and commanded joint angles; tool: (3,) m, measured, in
    base_link; previous_action: (4,), zeros at an episode's start.
    """
    position = np.asarray(position, np.float64)
    return np.concatenate(
        [position, np.asarray(reference, np.float64) - position, tool, previous_action]
    ).astype(np.float32)
