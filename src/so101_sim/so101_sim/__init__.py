"""A cell without hardware: MuJoCo world, emulated servo buses, camera, scripted operator."""

from pathlib import Path

import so101_description  # noqa: F401  before MuJoCo: it chooses the renderer


def calibration_path(arm: str) -> str:
    """Path of the calibration file (LeRobot's format) of the simulated 'follower' or 'leader'."""
    return str(Path(__file__).parent / 'calibration' / f'{arm}.json')
