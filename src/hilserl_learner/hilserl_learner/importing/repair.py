"""Reads recorded steps, and recomputes actions that cannot have caused the arm's motion."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader

from hilserl_core.bags.cdr import (
    STEP_TYPE,
    TASK_TYPE,
    known_definitions,
    step_from_cdr,
    task_from_cdr,
)
from hilserl_core.contract.steps import StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import JOINTS
from so101_description.kinematics import Kinematics
from so101_node.names import STEP, TASK

from .recording import connections_of, reading


def recorded_task(reader: AnyReader) -> TaskSchema | None:
    """The task of a bag's steps; None if the bag has no task."""
    with reading(reader):
        found = connections_of(reader, TASK, (TASK_TYPE,))
        for _, _, data in reader.messages(found) if found else ():
            return task_from_cdr(data).schema
    return None


def has_steps(reader: AnyReader) -> bool:
    """Whether a bag has steps whose message definition is known."""
    return any(
        c.topic.endswith(f'/{STEP}')
        and c.msgtype == STEP_TYPE
        and c.msgcount
        and reader.typestore.hash_rihs01(STEP_TYPE) in known_definitions(STEP_TYPE)
        for c in reader.connections
    )


def recorded_episodes(reader: AnyReader) -> Iterator[list[StepRecord]]:
    """Yield the episodes of recorded steps, each when it is complete, sorted by index."""
    episodes: dict[str, list[StepRecord]] = {}
    with reading(reader):
        for _, _, data in reader.messages(connections_of(reader, STEP, (STEP_TYPE,))):
            step = step_from_cdr(data)
            episodes.setdefault(step.episode_id, []).append(step)
            if step.last:
                yield sorted(episodes.pop(step.episode_id), key=lambda s: s.index)
    for steps in episodes.values():
        yield sorted(steps, key=lambda s: s.index)


def recompute(
    steps: list[StepRecord],
    schema: TaskSchema,
    kinematics: Kinematics,
) -> tuple[list[StepRecord], bool]:
    """Recompute an episode's actions by FK from its joint states.

    Also returns whether the gripper's action comes from its command (else from its joint).
    A step holds the measured joints and the following error. Their sum is the commanded pose, and
    the executed action leads from one commanded pose to the next.
    """
    measured = _columns(steps, schema, 'position')
    errors = _columns(steps, schema, 'following_error')
    commanded = bool(np.abs(errors).max() > 1e-4)
    poses = measured + errors
    previous_columns = [
        schema.state_names.index(f'previous.{name}') for name in schema.action_names
    ]
    result, previous = [], np.zeros(len(previous_columns), np.float32)
    for i, step in enumerate(steps):
        state = step.state.copy()
        state[previous_columns] = previous
        action = step.action
        if not step.last and i + 1 < len(steps):
            action = schema.executed(kinematics.action_between(poses[i + 1], poses[i]).unclipped)
            previous = action
        result.append(replace(step, state=state, action=action))
    return result, commanded


def _columns(steps: list[StepRecord], schema: TaskSchema, name: str) -> npt.NDArray[np.float64]:
    columns = [schema.state_names.index(f'{joint}.{name}') for joint in JOINTS]
    return np.array([step.state[columns] for step in steps], np.float64)
