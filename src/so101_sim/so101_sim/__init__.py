"""A cell without hardware: MuJoCo world, emulated servo buses, camera, scripted operator."""

from pathlib import Path

import so101_description  # noqa: F401  import it before MuJoCo: it selects the renderer


def calibration_path(arm: str) -> str:
    """Return the path of the simulated arm's calibration file. arm: 'follower' or 'leader'."""
    return str(Path(__file__).parent / 'calibration' / f'{arm}.json')
