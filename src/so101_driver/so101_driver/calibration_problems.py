"""What is wrong with the calibration files of one or two arms: every problem of every joint.

The tables here are the content of LeRobot's files: {joint: {field: value}}.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from so101_description.joints import JOINTS, LOWER, SERVO_IDS, UPPER
from so101_node.errors import CellError
from so101_node.refusals import short

from .servo import HOMING_SIGN, TICKS_PER_TURN

FIELDS = ('id', 'drive_mode', 'homing_offset', 'range_min', 'range_max')
MIN_SPAN = 500  # ticks (44 degrees); gripper and trigger of a built arm have more
MAX_HOMING = (1 << HOMING_SIGN) - 1
LAST_TICK = TICKS_PER_TURN - 1
MIDDLE = 2047  # ticks that LeRobot's homing gives to the pose in which the owner held the arm
MODEL_SPAN = (UPPER - LOWER) * TICKS_PER_TURN / (2 * math.pi)  # ticks
# wrist_roll turns without a stop. Its zero is the pose of its homing, if that is near the middle
# of the range, however wide the range is.
TURNING = 'wrist_roll'
NEAR_HOMING = 114  # ticks, 10 degrees

Table = Mapping[str, Any]
CALIBRATE = 'calibrate the arm again, every joint through its whole range'
NAME_THE_FILE = 'name the file of an SO-101, or calibrate the arm again'


@dataclass(frozen=True)
class Plausible:
    """Which recorded ranges are accepted.

    least, most: share of the model's range, without the gripper (built arms: 0.94 to 1.13; owners
    also record +-90 degrees of wrist_roll, 0.56). difference: between the two arms, share of the
    wider range.
    """

    least: float = 0.5
    most: float = 1.25
    difference: float = 0.1


DEFAULT = Plausible()
# A range that is recorded now must be nearly whole: if it is cut short on one side, its middle,
# and with it the joint's zero, is wrong.
WHOLE = Plausible(least=0.75)


@dataclass(frozen=True)
class Problem:
    """One row of the table of problems. where: file(s); joint: '' for a whole file."""

    where: str
    joint: str
    what: str
    recorded: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        joint = f'{self.joint}: ' if self.joint else ''
        return f'{joint}{self.what} is {self.recorded}, allowed: {self.allowed}'


class CalibrationRefused(CellError):
    """Calibration files with problems. The sentence has all of them, `problems` is the table."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        files = dict.fromkeys(problem.where for problem in self.problems)
        parts = [
            f'{where}: ' + '; '.join(str(each) for each in self.problems if each.where == where)
            for where in files
        ]
        remedies = dict.fromkeys(problem.remedy for problem in self.problems)
        super().__init__('; '.join([*parts, *remedies]))


def file_problems(table: Table, path: str, plausible: Plausible) -> list[Problem]:
    """Return every problem of a file's content, joint by joint."""
    problems = [
        Problem(path, joint, 'entry', 'missing', f'one for each of {", ".join(JOINTS)}', CALIBRATE)
        for joint in JOINTS
        if joint not in table
    ]
    for joint, entry in table.items():
        if joint not in JOINTS:
            problems.append(
                Problem(path, short(joint, 40), 'joint', 'unknown', ', '.join(JOINTS), CALIBRATE)
            )
            continue
        rows = _entry_problems(joint, entry, plausible)
        problems += [Problem(path, joint, *row) for row in rows]
    return problems


Row = tuple[str, str, str, str]  # what, recorded, allowed, remedy


def _entry_problems(joint: str, entry: Any, plausible: Plausible) -> Iterator[Row]:
    if not isinstance(entry, Mapping):
        yield 'entry', short(entry, 40), f'an object with {", ".join(FIELDS)}', CALIBRATE
        return
    numbers = {}
    for field in FIELDS:
        if field not in entry:
            yield field, 'missing', 'a whole number', CALIBRATE
        elif not _is_whole(entry[field]):
            yield field, short(repr(entry[field]), 40), 'a whole number', CALIBRATE
        else:
            numbers[field] = entry[field]
    limits = (
        ('id', SERVO_IDS[joint], SERVO_IDS[joint], NAME_THE_FILE),
        ('drive_mode', 0, 1, NAME_THE_FILE),
        ('homing_offset', -MAX_HOMING, MAX_HOMING, CALIBRATE),
        ('range_min', 0, LAST_TICK, CALIBRATE),
        ('range_max', 0, LAST_TICK, CALIBRATE),
    )
    bad = False
    for field, low, high, remedy in limits:
        if field in numbers and not low <= numbers[field] <= high:
            allowed = f'{low}' if low == high else f'{low} to {high}'
            yield field, short(numbers[field], 24), allowed, remedy
            bad = bad or field.startswith('range')
    if not bad and 'range_min' in numbers and 'range_max' in numbers:
        yield from _range_problem(joint, numbers['range_min'], numbers['range_max'], plausible)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _range_problem(joint: str, low: int, high: int, plausible: Plausible) -> Iterator[Row]:
    if low >= high:
        yield 'range', f'{low} to {high}', 'range_min below range_max', CALIBRATE
    elif problem := span_problem(joint, high - low, plausible):
        yield 'range', f'{low} to {high}, {problem[0]}', problem[1], problem[2]


def span_problem(
    joint: str, span: int, plausible: Plausible = WHOLE
) -> tuple[str, str, str] | None:
    """Return (recorded, allowed, remedy) of an implausible range of `span` ticks, else None."""
    if span < MIN_SPAN:
        return f'{span} ticks', f'at least {MIN_SPAN} ticks', CALIBRATE
    model = MODEL_SPAN[JOINTS.index(joint)]
    if joint != 'gripper' and not plausible.least <= span / model <= plausible.most:
        name = 'least_range' if span / model < plausible.least else 'most_range'
        return (
            f'{span} ticks, {span / model:.1%} of the {model:.0f} of the model',
            f'{plausible.least:.0%} to {plausible.most:.0%}',
            f'{CALIBRATE}, or set {name}',
        )
    return None


def pair_problems(
    leader: Table, follower: Table, where: tuple[str, str], plausible: Plausible
) -> list[Problem]:
    """Return the joints whose ranges differ much between the arms: their angles would disagree.

    The gripper is excluded: the leader's is a trigger, and both map to the same opening. A joint
    whose entry is unusable in one file is left out. where: the paths of both files.
    """
    problems = []
    for joint in JOINTS:
        ranges = [_range(table.get(joint)) for table in (leader, follower)]
        if joint == 'gripper' or None in ranges:
            continue
        spans = [high - low for low, high in filter(None, ranges)]
        difference = abs(spans[0] - spans[1]) / max(spans)
        if difference <= plausible.difference:
            continue
        if joint == TURNING and all(near_homing(*each) for each in filter(None, ranges)):
            continue
        allowed = f'{plausible.difference:.1%}'
        if joint == TURNING:
            allowed += ', or both middles within 10 degrees of their homing poses'
        problems.append(
            Problem(
                ' and '.join(where),
                joint,
                'range of both arms',
                f'{spans[0]} and {spans[1]} ticks, {difference:.1%} apart',
                allowed,
                'calibrate the arm with the shorter range again, or set span_difference if both '
                'have the same middle',
            )
        )
    return problems


def near_homing(low: int, high: int) -> bool:
    """Return whether the middle of a range of ticks is near the pose of its homing."""
    return abs((low + high) / 2 - MIDDLE) <= NEAR_HOMING


def _range(entry: Any) -> tuple[int, int] | None:
    """Return the range of a joint's entry in ticks; None if it has no usable one."""
    if not isinstance(entry, Mapping):
        return None
    ends: list[Any] = [entry.get('range_min'), entry.get('range_max')]
    if not all(map(_is_whole, ends)):
        return None
    low, high = ends
    return (low, high) if 0 <= low < high <= LAST_TICK else None


def file_name(path: str) -> str:
    """Return the name of a file without its directories, for a table."""
    return Path(path).name
