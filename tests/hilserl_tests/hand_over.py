"""How far the follower's command jumps when human and policy take over from each other.

A step's command is the first one stamped after it. What the new commander asks for between two
of its own ticks is no jump: the 95th percentile of that is taken off at a release. A take-over
begins with the human at rest (the clutch), so nothing is taken off there.
"""
from dataclasses import dataclass

import numpy as np
from so101_description.joints import pack
from so101_description.kinematics import Kinematics

HUMAN = 2


def seconds(stamp) -> float:
    """A message's stamp, s."""
    return stamp.sec + stamp.nanosec * 1e-9


@dataclass(frozen=True)
class Jumps:
    """The largest jump of any joint of the arm (deg) and of the tool (mm) over `count` ones."""

    count: int
    deg: float
    mm: float


def commands_of(steps, commands) -> list[np.ndarray | None]:
    """The command (6,) rad that carried out each step's action; None: not heard."""
    times = np.array([seconds(c.header.stamp) for c in commands])
    found = []
    for step in steps:
        since = seconds(step.header.stamp)
        at = int(np.searchsorted(times, since))
        found.append(pack(commands[at].name, commands[at].position)
                     if at < len(times) and times[at] - since < 0.09 else None)
    return found


def hand_overs(steps, commands) -> tuple[Jumps, Jumps]:
    """Of take-overs and releases, from steps (so101_interfaces/Step) and follower commands."""
    steps = [s for s in steps if not s.last]
    kinematics, targets = Kinematics(), commands_of(steps, commands)
    moved = {True: [], False: []}       # whether the human commands -> (deg, mm) of each tick
    jumps = {True: [], False: []}
    for (a, before), (b, after) in zip(zip(steps, targets), zip(steps[1:], targets[1:])):
        if (a.episode_id != b.episode_id or b.index != a.index + 1
                or before is None or after is None):
            continue
        by = (np.rad2deg(np.abs(after - before)[:5].max()), 1e3 * np.linalg.norm(
            kinematics.tool_pose(after)[0] - kinematics.tool_pose(before)[0]))
        (moved if a.source == b.source else jumps)[b.source == HUMAN].append(by)
    found = []
    for human in (True, False):
        usual = np.zeros(2) if human or not moved[human] else np.percentile(
            moved[human], 95, axis=0)
        worst = (np.maximum(np.array(jumps[human]) - usual, 0.0).max(0)
                 if jumps[human] else (np.nan, np.nan))
        found.append(Jumps(len(jumps[human]), float(worst[0]), float(worst[1])))
    return found[0], found[1]
