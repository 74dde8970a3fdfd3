"""Whether the arm can do a task: every start pose and every corner of the workspace box.

A message is one sentence with the pose, the limit and what to change.
"""

from collections.abc import Iterator
import itertools

import numpy as np

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import REST
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError

from ..loop.reset_motion import GRIPPER, plan

MAX_ERROR = 0.001  # m between a wanted and the nearest reachable tool position
MAX_TILT = 0.15  # rad that the pitch may be off in a start pose


def problems(schema: TaskSchema) -> list[str]:
    """Return a sentence for each pose of the task that the arm cannot have."""
    kinematics = kinematics_of(schema)
    found = [
        f'start {_text(point)} {sentence}; change start'
        for point in start_corners(schema)
        if (sentence := _start_problem(kinematics, schema, point))
    ]
    found += [
        f'box corner {_text(point)} {sentence}; change box'
        for point in itertools.product(*zip(schema.box_min, schema.box_max))
        if (sentence := _pose_problem(kinematics, schema, point))
    ]
    found += [
        f'reset position {number} {_text(point.position)} {sentence}; change reset'
        for number, point in enumerate(schema.reset, 1)
        if (sentence := _pose_problem(kinematics, schema, point.position))
    ]
    return found or [f'the way to the start: {sentence}' for sentence in _reset_problems(schema)]


def start_corners(schema: TaskSchema) -> list[tuple[float, ...]]:
    """Return the outermost start positions, (3,) m each."""
    spread = schema.start_spread
    sides = [sorted({value - spread, value + spread}) for value in schema.start]
    return list(itertools.product(*sides))


def _pose_problem(kinematics: Kinematics, schema: TaskSchema, point: tuple[float, ...]) -> str:
    q = kinematics.solve(point, schema.pitch, schema.wrist_roll, GRIPPER, REST)
    if q.error > MAX_ERROR:
        return f'is {q.error * 1e3:.0f} mm out of reach'
    contact = kinematics.collision.contact(q.q)
    return f'is a contact: {contact}' if contact else ''


def _start_problem(kinematics: Kinematics, schema: TaskSchema, point: tuple[float, ...]) -> str:
    if sentence := _pose_problem(kinematics, schema, point):
        return sentence
    q = kinematics.solve(point, schema.pitch, schema.wrist_roll, GRIPPER, REST).q
    tilt = float(q[1:4].sum()) - schema.pitch
    if abs(tilt) > MAX_TILT:
        return (
            f'is only reachable with a pitch of {np.degrees(schema.pitch + tilt):.0f} degrees, '
            f'not {np.degrees(schema.pitch):.0f}'
        )
    return kinematics.collision.too_near(q)


def _reset_problems(schema: TaskSchema) -> Iterator[str]:
    """Plan a reset from the rest pose."""
    kinematics = kinematics_of(schema)
    try:
        plan(
            schema,
            REST,
            kinematics.tool_pose(REST)[0],
            lambda position, seed: (
                kinematics.solve(position, schema.pitch, schema.wrist_roll, float(seed[5]), seed).q
            ),
            kinematics.collision.contact,
            np.random.default_rng(0),
        )
    except CellError as error:
        yield str(error)


def _text(point: tuple[float, ...]) -> str:
    return '(' + ', '.join(f'{value:g}' for value in point) + ') m'
