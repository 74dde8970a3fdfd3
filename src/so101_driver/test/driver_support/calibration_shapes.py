"""Calibration files of all shapes that owners have, and what happens to each.

Ranges are those of a built arm; what was changed in them was seen in public files or can happen.
"""

from dataclasses import dataclass
import json
from typing import Any

from so101_description.joints import JOINTS

RANGES = ((1030, 3460), (827, 3225), (925, 3161), (954, 3305), (33, 4009), (1452, 2958))
ACCEPTED, WARNED, REFUSED = 'accepted', 'accepted, with a warning', 'refused'


@dataclass(frozen=True)
class Shape:
    """One file. data: its bytes; outcome: one of the three; words: a part of what is said."""

    name: str
    data: bytes
    outcome: str
    words: str = ''


def recorded() -> dict[str, dict[str, Any]]:
    """Return the content of the file of a built arm."""
    return {
        joint: {
            'id': i + 1,
            'drive_mode': 0,
            'homing_offset': 100 * i,
            'range_min': low,
            'range_max': high,
        }
        for i, (joint, (low, high)) in enumerate(zip(JOINTS, RANGES))
    }


def table() -> dict[str, dict[str, Any]]:
    """Return the content of a usual file, whose shoulder_pan is homed in its middle."""
    content = recorded()
    content['shoulder_pan'].update(range_min=832, range_max=3262)
    return content


def changed(joint: str, **fields: Any) -> bytes:
    """Return a usual file with other values of one joint."""
    content = table()
    content[joint].update(fields)
    return json.dumps(content).encode()


def shifted(joint: str, degrees: float) -> bytes:
    """Return a file whose joint was cut short at its lower end, so that its zero is off."""
    low = table()[joint]['range_min'] + round(2 * degrees * 4096 / 360)
    return changed(joint, range_min=low)


def without(*joints: str) -> bytes:
    """Return a usual file without some joints."""
    return json.dumps({k: v for k, v in table().items() if k not in joints}).encode()


def old_format() -> bytes:
    """Return a file as LeRobot wrote it before 2025."""
    lists: dict[str, Any] = {
        name: [0] * 6 for name in ('homing_offset', 'drive_mode', 'start_pos', 'end_pos')
    }
    lists |= {'calib_mode': ['DEGREE'] * 6, 'motor_names': list(JOINTS)}
    return json.dumps(lists).encode()


USUAL = json.dumps(table()).encode()
SHAPES = (
    Shape('a usual file', USUAL, ACCEPTED),
    Shape('a usual file with a byte-order mark', b'\xef\xbb\xbf' + USUAL, ACCEPTED),
    Shape('fields that a later LeRobot may add', changed('gripper', added_later=3), ACCEPTED),
    Shape(
        'wrist_roll recorded as a whole turn',
        changed('wrist_roll', range_min=0, range_max=4095),
        ACCEPTED,
    ),
    Shape(
        'wrist_roll recorded as +-90 degrees around its homing pose',
        changed('wrist_roll', range_min=1024, range_max=3071),
        ACCEPTED,
    ),
    Shape(
        'wrist_roll recorded from 160 to 2289',
        changed('wrist_roll', range_min=160, range_max=2289),
        WARNED,
        'wrist_roll: its zero may be wrong',
    ),
    Shape(
        'shoulder_pan over 74 % of the model',
        changed('shoulder_pan', range_min=1121, range_max=2973),
        WARNED,
        'shoulder_pan: its zero may be wrong by up to 39 degrees',
    ),
    Shape(
        'a whole range, but a homing pose 26 degrees from its middle',
        changed('shoulder_pan', range_min=1000, range_max=3685),
        ACCEPTED,
    ),
    Shape('a zero shifted by 5 degrees', shifted('wrist_flex', 5), WARNED, 'mm at the tool'),
    Shape(
        'a zero shifted by 15 degrees', shifted('elbow_flex', 15), WARNED, 'elbow_flex: its zero'
    ),
    Shape(
        'a zero shifted by 27 degrees', shifted('wrist_flex', 27), WARNED, 'wrist_flex: its zero'
    ),
    Shape('drive_mode 1', changed('shoulder_lift', drive_mode=1), ACCEPTED),
    Shape('drive_mode 2', changed('shoulder_lift', drive_mode=2), REFUSED, 'drive_mode is 2'),
    Shape(
        'a range of 45 % of the model',
        changed('elbow_flex', range_min=2161),
        REFUSED,
        '45.4% of the 2203 of the model',
    ),
    Shape(
        'a range of 137 % of the model',
        changed('shoulder_pan', range_min=20, range_max=3460),
        REFUSED,
        '137.4% of the 2503 of the model',
    ),
    Shape(
        'a gripper that was hardly moved',
        changed('gripper', range_min=2000, range_max=2100),
        REFUSED,
        '100 ticks, allowed: at least 500',
    ),
    Shape(
        'range_min above range_max',
        changed('elbow_flex', range_min=3161, range_max=925),
        REFUSED,
        'range_min below range_max',
    ),
    Shape(
        'values of a servo that counts several turns',
        changed('shoulder_pan', range_min=-1200, range_max=6300),
        REFUSED,
        'range_max is 6300, allowed: 0 to 4095',
    ),
    Shape(
        'a homing offset that no servo takes',
        changed('wrist_flex', homing_offset=-2300),
        REFUSED,
        'homing_offset is -2300',
    ),
    Shape("ids of another joint's servo", changed('wrist_flex', id=3), REFUSED, 'id is 3'),
    Shape('a joint is missing', without('gripper'), REFUSED, 'gripper: entry is missing'),
    Shape(
        'a joint that the arm does not have',
        json.dumps(table() | {'wrist_yaw': table()['gripper']}).encode(),
        REFUSED,
        'wrist_yaw: joint is unknown',
    ),
    Shape(
        'a joint is there twice',
        USUAL[:-1] + b', "gripper": ' + json.dumps(table()['gripper']).encode() + b'}',
        REFUSED,
        'gripper is there twice',
    ),
    Shape(
        'a field is missing',
        USUAL.replace(b'"homing_offset": 0, ', b''),
        REFUSED,
        'shoulder_pan: homing_offset is missing',
    ),
    Shape('NaN', changed('elbow_flex', range_min=float('nan')), REFUSED, 'range_min is nan'),
    Shape('a text', changed('elbow_flex', range_min='925'), REFUSED, "range_min is '925'"),
    Shape('a number with a fraction', changed('elbow_flex', id=3.5), REFUSED, 'id is 3.5'),
    Shape('true', changed('elbow_flex', id=True), REFUSED, 'id is True'),
    Shape('an enormous number', changed('elbow_flex', range_max=10**400), REFUSED, 'range_max'),
    Shape("LeRobot's old format with lists", old_format(), REFUSED, "LeRobot's old format"),
    Shape('an empty file', b'', REFUSED, 'is damaged'),
    Shape('text that is no JSON', b'shoulder_pan: 1030', REFUSED, 'is damaged'),
    Shape('a cut-off file', USUAL[:200], REFUSED, 'is damaged'),
    Shape('a list', b'[1, 2, 3]', REFUSED, 'got a list'),
    Shape('lists nested a thousand deep', b'[' * 40_000, REFUSED, 'is damaged'),
    Shape('UTF-16', USUAL.decode().encode('utf-16'), REFUSED, 'not UTF-8 text'),
    Shape('a picture', b'\x89PNG\r\n\x1a\n\xff\xfe', REFUSED, 'not UTF-8 text'),
    Shape('a file of 0.2 MB', USUAL + b' ' * 200_000, REFUSED, 'over the limit'),
)


def markdown() -> str:
    """Return the table of docs/hardware.md."""
    rows = [f'| {shape.name} | {shape.outcome} |' for shape in SHAPES]
    return '\n'.join(['| file | what happens |', '|---|---|', *rows])
