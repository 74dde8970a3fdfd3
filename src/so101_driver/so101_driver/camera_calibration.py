"""Reads a camera's intrinsics from the YAML file that ROS's camera_calibration writes."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from so101_node.data_files import read_data
from so101_node.errors import CellError


class _Matrix3x3(msgspec.Struct):
    data: Annotated[list[float], msgspec.Meta(min_length=9, max_length=9)]


class _Matrix3x4(msgspec.Struct):
    data: Annotated[list[float], msgspec.Meta(min_length=12, max_length=12)]


class _Numbers(msgspec.Struct):
    data: list[float]


class _File(msgspec.Struct):
    """The fields that are read; the file has more."""

    image_width: int
    image_height: int
    camera_matrix: _Matrix3x3
    distortion_coefficients: _Numbers
    rectification_matrix: _Matrix3x3
    projection_matrix: _Matrix3x4
    distortion_model: str = 'plumb_bob'


@dataclass(frozen=True)
class CameraCalibration:
    """Fields of sensor_msgs/CameraInfo, in pixels."""

    distortion_model: str
    d: list[float]
    k: list[float]
    r: list[float]
    p: list[float]


def load_camera_calibration(path: str, width: int, height: int) -> CameraCalibration:
    """Read the calibration of a `width` x `height` image; CellError if the size differs."""
    found = read_data(path, _File, 'camera calibration', 'calibrate the camera again')
    if (found.image_width, found.image_height) != (width, height):
        raise CellError(
            f'{path}: is for images of {found.image_width}x{found.image_height}, the camera '
            f'delivers {width}x{height}; calibrate at that size'
        )
    return CameraCalibration(
        found.distortion_model,
        found.distortion_coefficients.data,
        found.camera_matrix.data,
        found.rectification_matrix.data,
        found.projection_matrix.data,
    )
