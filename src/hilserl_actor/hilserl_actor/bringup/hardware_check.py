"""What `./cell preflight` checks of a real cell before it starts a node: whether all is there."""

from collections.abc import Mapping
import os
from typing import Any

from so101_driver.calibration import load_calibration
from so101_driver.calibration_file import path_of_calibration
from so101_driver.calibration_problems import Plausible
from so101_driver.camera_calibration import load_camera_calibration
from so101_driver.serial_port import absent_port
from so101_node.errors import CellError

from .arguments import Arguments


def require_hardware(arguments: Arguments, driver: Any, cameras: Mapping[str, Any]) -> None:
    """Raise CellError that names every port, file and camera which is missing or wrong.

    driver: the options of the driver; cameras: those of each camera node.
    """
    problems = []
    plausible = Plausible(driver.least_range, driver.most_range, driver.span_difference)
    for arm in ('follower', 'leader'):
        port = getattr(driver, f'{arm}_port')
        if not port:
            continue
        if not os.path.exists(port):
            problems.append((f'{arm}_port', 'driver', absent_port(port)))
        try:
            file = path_of_calibration(getattr(driver, f'{arm}_calibration'), arm)
            load_calibration(file, plausible)
        except CellError as error:
            problems.append((f'{arm}_calibration', 'driver', str(error)))
    for name, camera in cameras.items():
        if not os.path.exists(camera.device_path):
            problems.append(('camera_device', name, f'{camera.device_path}: no such camera'))
        if file := camera.camera_calibration:
            try:
                load_camera_calibration(file, *camera.image_size)
            except CellError as error:
                problems.append(('camera_calibration', name, str(error)))
    if problems:
        raise CellError(
            '; '.join(f'{_source(arguments, *place)}: {text}' for *place, text in problems)
        )


def _source(arguments: Arguments, name: str, node: str) -> str:
    """Return what gave an option its value: a file with the key, an argument, or its name."""
    given = [each for each in arguments.given if each.name == name and each.reaches(node)]
    return given[-1].where if given else name
