"""A cell without hardware: MuJoCo world, emulated servo buses, camera, scripted operator."""
import os
from pathlib import Path

# MuJoCo's own default needs a window system; it reads this when it is first imported.
os.environ.setdefault('MUJOCO_GL', 'egl')


def calibration_path(arm: str) -> str:
    """Path of the calibration file (LeRobot's format) of the simulated 'follower' or 'leader'."""
    return str(Path(__file__).parent / 'calibration' / f'{arm}.json')
