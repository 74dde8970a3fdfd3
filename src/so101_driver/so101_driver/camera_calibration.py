"""A camera's intrinsics from the YAML file that ROS's camera_calibration writes."""

from dataclasses import dataclass

import yaml

from so101_node.errors import CellError

SIZES = {
    'camera_matrix': 9,
    'rectification_matrix': 9,
    'projection_matrix': 12,
    'distortion_coefficients': None,
}


@dataclass(frozen=True)
class CameraCalibration:
    """Fields of sensor_msgs/CameraInfo; pixels."""

    distortion_model: str
    d: list[float]
    k: list[float]
    r: list[float]
    p: list[float]


def load_camera_calibration(path: str, width: int, height: int) -> CameraCalibration:
    """Read the calibration of a `width` x `height` image; CellError says what does not fit."""
    try:
        with open(path, encoding='utf-8') as file:
            table = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        raise CellError(f'{path}: no camera calibration to read ({error})') from error
    if not isinstance(table, dict):
        raise CellError(f'{path}: not a table; calibrate the camera again')
    size = table.get('image_width'), table.get('image_height')
    if size != (width, height):
        raise CellError(
            f'{path}: is of {size[0]}x{size[1]} images, the camera gives '
            f'{width}x{height}; calibrate at that size'
        )
    rows = {key: _numbers(path, table, key, count) for key, count in SIZES.items()}
    return CameraCalibration(
        str(table.get('distortion_model', 'plumb_bob')),
        rows['distortion_coefficients'],
        rows['camera_matrix'],
        rows['rectification_matrix'],
        rows['projection_matrix'],
    )


def _numbers(path: str, table: dict, key: str, count: int | None) -> list[float]:
    entry = table.get(key)
    data = entry.get('data') if isinstance(entry, dict) else None
    if (
        not isinstance(data, list)
        or count not in (None, len(data))
        or not all(isinstance(v, (int, float)) for v in data)
    ):
        raise CellError(
            f'{path}: {key} has no data of {count or "some"} numbers; calibrate the camera again'
        )
    return [float(v) for v in data]
