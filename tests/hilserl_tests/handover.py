"""Measures how far the follower's command jumps at handovers between human and policy.

A step's command is the first one stamped after it. The motion of the policy's own action does not
count as a jump: at a release it is computed again and subtracted. At a take-over the human's first
action is zero (the clutch), so nothing is subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import JointState

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import pack
from so101_interfaces.msg import Step
from so101_node.stamps import Time

from .watcher import Watcher

HUMAN = 2


def seconds(stamp: Time) -> float:
    """Return a message's stamp, s."""
    return stamp.sec + stamp.nanosec * 1e-9


@dataclass(frozen=True)
class Jumps:
    """The largest jump of any joint of the arm (deg) and of the tool (mm) in `count` handovers."""

    count: int
    deg: float
    mm: float


def commands_of_steps(
    steps: Sequence[Step], commands: Sequence[JointState]
) -> list[npt.NDArray[np.float64] | None]:
    """Return the command (6,) rad of each step's action; None: not received."""
    times = np.array([seconds(c.header.stamp) for c in commands])
    found = []
    for step in steps:
        since = seconds(step.header.stamp)
        at = int(np.searchsorted(times, since))
        found.append(
            pack(commands[at].name, commands[at].position)
            if at < len(times) and times[at] - since < 0.09
            else None
        )
    return found


def measure_handover_jumps(messages: Watcher) -> tuple[Jumps, Jumps]:
    """Return the jumps at take-overs and at releases, from a cell's messages."""
    assert messages.task is not None
    schema = TaskSchema.from_json(messages.task.schema)
    steps = [s for s in messages.steps if not s.last]
    kinematics, commands = kinematics_of(schema), commands_of_steps(steps, messages.commands)
    # (deg, mm) of each jump, by whether the human commands after it
    jumps: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for (a, before), (b, after) in zip(zip(steps, commands), zip(steps[1:], commands[1:])):
        if (
            a.episode_id != b.episode_id
            or b.index != a.index + 1
            or a.source == b.source
            or before is None
            or after is None
        ):
            continue
        human = b.source == HUMAN
        expected = (
            before
            if human
            else kinematics.joint_target(
                np.array(b.state[:6], np.float64),
                before,
                np.array(b.action),
                schema.pitch,
                schema.wrist_roll,
            ).q
        )
        jumps[human].append(
            (
                float(np.rad2deg(np.abs(after - expected)[:5].max())),
                1e3
                * float(
                    np.linalg.norm(
                        kinematics.tool_pose(after)[0] - kinematics.tool_pose(expected)[0]
                    )
                ),
            )
        )
    take_over, release = (
        Jumps(len(found), *(np.max(found, axis=0).tolist() if found else (np.nan,) * 2))
        for found in jumps.values()
    )
    return take_over, release
