"""Finds and reads LeRobot's calibration file: JSON with five whole numbers for each joint.

A file may come from anywhere: its kind, size, encoding and keys are checked.
"""

import json
import os
from pathlib import Path
from typing import Any

from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes
from so101_node.refusals import short

from .unfinished import mark_path

MAX_BYTES = 100_000  # a file of six joints has 1,000
REMEDY = 'calibrate the arm or name the right file'


LEROBOT = 'lerobot:'  # begins the id of an arm in place of a path
KINDS = {'follower': 'robots', 'leader': 'teleoperators'}  # LeRobot's directories


def lerobot_directory() -> Path:
    """Return the directory of LeRobot's calibrations, which its environment variables can move."""
    if given := os.environ.get('HF_LEROBOT_CALIBRATION'):
        return Path(os.path.expanduser(given))
    hub = os.environ.get('HF_HOME', '~/.cache/huggingface')
    home = os.environ.get('HF_LEROBOT_HOME', f'{hub}/lerobot')
    return Path(os.path.expanduser(home), 'calibration')


def path_of_calibration(name: str, arm: str) -> str:
    """Return the path of a calibration file; of `lerobot:ID` that of LeRobot's arm of this id.

    arm: 'follower' or 'leader'. CellError if LeRobot has no such file, or several.
    """
    if not name.startswith(LEROBOT):
        return name
    wanted, directory = name.removeprefix(LEROBOT), lerobot_directory() / KINDS[arm]
    files = sorted(directory.glob('*/*.json'))
    found = [file for file in files if file.stem == wanted]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise CellError(
            f'LeRobot has {len(found)} calibrations of {wanted!r}: '
            f'{", ".join(map(str, found))}; give the path of one of them'
        )
    known = ', '.join(sorted({file.stem for file in files})[:20]) or 'none'
    raise CellError(
        f'LeRobot has no calibration of a {arm} with the id {short(wanted, 100)!r} in '
        f'{directory}; it has {known}; set HF_LEROBOT_CALIBRATION, or give the path of the file'
    )


def read_calibration(path: str) -> dict[str, Any]:
    """Return the content of a calibration file; CellError if it is no JSON object."""
    if not path:
        raise CellError(
            'an arm with a port needs a calibration file; set follower_calibration '
            'or leader_calibration to the JSON file that LeRobot wrote'
        )
    remedy = REMEDY
    if mark_path(path).exists():
        remedy = 'a calibration did not end: run ./cell calibrate --restore, then calibrate again'
    data = read_bytes(path, 'calibration', MAX_BYTES, remedy)
    try:
        table = json.loads(data.decode('utf-8-sig'), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise CellError(
            f'calibration {path} is damaged: it is not UTF-8 text (UTF-16 of a Windows editor?); '
            f'save it as UTF-8, or {REMEDY}'
        ) from None
    except (ValueError, RecursionError) as error:
        raise CellError(f'calibration {path} is damaged: {short(error)}; {REMEDY}') from error
    if not isinstance(table, dict):
        raise CellError(
            f'calibration {path} is damaged: expected an object with six joints, got a '
            f'{type(table).__name__}; {REMEDY}'
        )
    require_new_format(table, path)
    return table


def require_new_format(table: dict[str, Any], path: str) -> None:
    """Raise CellError for LeRobot's old format, which had lists."""
    if 'motor_names' in table or isinstance(table.get('homing_offset'), list):
        raise CellError(
            f"{path}: this is LeRobot's old format (lists, with motor_names), whose zeros were "
            'others; calibrate the arm again with ./cell calibrate'
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'{short(twice, 40)} is there twice')
    return table
