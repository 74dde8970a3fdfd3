"""Converts one episode of a raw recording to steps at the task's rate.

The action is the one that the live cell would have stored: the FK function computes it from one
commanded pose to the next. Without commands it comes from the leader's motion, as in live
teleoperation. If the follower did not follow the leader, it comes from the follower's motion.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.bags.labels import labelled
from hilserl_core.contract.observation import MAX_SKEW, JointVelocity, crop_resize, state_vector
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_description.kinematics import Kinematics

from .recording import RawRecording
from .segmentation import Span, source_at
from .stream import JointStream, Pose, Stream

MAX_FOLLOWING_ERROR = 0.03  # m, median; at a larger one the follower did not follow the leader
MAX_ACTION_DIFFERENCE = 0.1  # median, between the leader's actions and those of the commands
# A command that is older than this, and this far from the measured pose, is not in effect.
STALE_AGE = 10**9  # ns
STALE_DISTANCE = 0.3  # rad
MAX_REWARD_AGE = 5 * 10**8  # ns, as in the live cell
MAX_INPUT_AGE = 10**8  # ns; the live loop acts on its newest inputs, if they are not older
LATENCY = 5 * 10**6  # ns; the live loop has not received newer inputs yet

COMMANDS = 'follower/joint_commands'
LEADER = 'the leader, as in live teleoperation'
FOLLOWER = "the follower's motion; its following error is unknown and stored as 0"
OWN_JOINT = (
    "the follower's own joint: a held object stops it, so squeezing is lost; record "
    'follower/joint_commands or leader/joint_states'
)
NO_GRIPPER = 'nothing: no axis acts on it'


Actions = npt.NDArray[np.float64]  # (N, A), unclipped
# poses of leader and reference, (6,) rad each, from which the leader's motion counts
Clutch = tuple[Pose, Pose]


@dataclass
class Imported:
    """An episode's steps, and facts for the report. The last step has no action."""

    steps: list[StepRecord]
    unclipped: Actions
    xyz_from: str
    gripper_from: str
    dropped: int  # ticks without an image or joint state near enough in time
    clutch: Clutch | None = None  # of its first tick


@dataclass
class _Tick:
    stamp: int
    position: Pose | None
    leader: Pose | None
    images: tuple[int | None, ...]  # index in each camera's stream


def steps_of(
    recording: RawRecording,
    span: Span,
    schema: TaskSchema,
    kinematics: Kinematics,
    clutch: Clutch | None = None,
) -> Imported | None:
    """The steps of one episode, without label; None if the episode is too short for one.

    clutch: of an episode that began before this part of the recording.
    """
    period = round(1e9 / schema.rate)
    ticks = _ticks(recording, span, period, schema)
    complete = [t.position is not None and None not in t.images for t in ticks]
    if sum(complete) < 2:
        return None
    clutch = clutch or _clutch(recording.commands, ticks[0])
    references, unclipped, xyz_from, gripper_from = _actions(
        recording, ticks, schema, kinematics, period, clutch
    )
    images = _images(recording, ticks, schema)
    actions = schema.executed(unclipped)
    known = [bool(np.isfinite(action).all()) for action in unclipped]
    previous = np.zeros(len(schema.action_names), np.float32)
    velocity = JointVelocity()
    steps: list[StepRecord] = []
    kept: list[int] = []
    final = max(i for i, ok in enumerate(complete) if ok)
    for i, tick in enumerate(ticks[: final + 1]):
        source = source_at(recording, tick.stamp, period)
        acted = i < final and known[i] and source != Source.NONE
        position, reference = tick.position, references[i]
        indices = [n for n in tick.images if n is not None]
        if (
            position is not None
            and reference is not None
            and len(indices) == len(schema.cameras)
            and (acted or i == final)
        ):
            steps.append(
                StepRecord(
                    stamp=tick.stamp,
                    schema_hash=schema.hash,
                    episode_id=span.name,
                    index=round((tick.stamp - ticks[0].stamp) / period),
                    cameras=tuple(camera.name for camera in schema.cameras),
                    image_stamps=tuple(
                        int(recording.images[c.name].stamps[n])
                        for c, n in zip(schema.cameras, indices)
                    ),
                    images=tuple(images[c.name, n] for c, n in zip(schema.cameras, indices)),
                    state=state_vector(
                        schema,
                        position,
                        reference,
                        kinematics.tool_pose(position)[0],
                        previous,
                        velocity.at(tick.stamp, position),
                    ),
                    action=actions[i] if i < final else np.zeros(0, np.float32),
                    source=source if i < final else Source.NONE,
                    reward=_reward(recording, ticks[i + 1].stamp) if i < final else None,
                    last=i == final,
                )
            )
            if i < final:
                kept.append(i)
        if i < final and known[i]:
            previous = actions[i]
    if not kept:
        return None
    last_action = max(j for j, step in enumerate(steps) if not step.last)
    steps[last_action] = replace(steps[last_action], truncated=True)
    if span.success:
        steps = labelled(steps, Outcome.SUCCESS)
    elif len(kept) >= schema.max_steps:
        steps[-1] = replace(steps[-1], outcome=Outcome.TIMEOUT)
    dropped = final - len(kept)
    return Imported(steps, unclipped[kept], xyz_from, gripper_from, dropped, clutch)


def _ticks(recording: RawRecording, span: Span, period: int, schema: TaskSchema) -> list[_Tick]:
    """The episode's control ticks, and one more for the final observation."""
    stamps = list(range(span.start, span.end - period, period))
    find: Callable[[Stream[Any], int, int], int | None] = Stream.nearest
    tolerance = period // 2
    # A control loop publishes its status at the start of each tick, and then its commands.
    loop_streams: tuple[Stream[Any] | None, ...] = (recording.marks, recording.commands)
    for stream in loop_streams:
        if stream is not None:
            a, b = np.searchsorted(stream.stamps, [span.start, span.end - period // 2])
            published = np.unique(stream.stamps[a:b]).tolist()
            if len(published) > 2 and 0.8 < np.median(np.diff(published)) / period < 1.25:
                stamps, find, tolerance = published, _received, max(period, MAX_INPUT_AGE)
                break

    def pose(stream: JointStream | None, stamp: int) -> Pose | None:
        if stream is None or (index := find(stream, stamp, tolerance)) is None:
            return None
        found: Pose = stream.values[index]
        return found

    return [
        _Tick(
            stamp,
            pose(recording.follower, stamp),
            pose(recording.leader, stamp),
            _images_at([recording.images[c.name] for c in schema.cameras], stamp, find, tolerance),
        )
        for stamp in ([*stamps, stamps[-1] + period] if stamps else [])
    ]


def _received(stream: Stream[Any], stamp: int, age: int) -> int | None:
    """Index of the newest sample that a live loop has at `stamp`."""
    return stream.latest(stamp - LATENCY, age)


def _images_at(
    streams: list[Stream[list[int]]],
    stamp: int,
    find: Callable[[Stream[Any], int, int], int | None],
    tolerance: int,
) -> tuple[int | None, ...]:
    """Index of each camera's image at a tick; all None if they are too far apart in time.

    As in the live loop: the images nearest to the newest moment of which each camera has one.
    """
    found = [find(stream, stamp, tolerance) for stream in streams]
    stamps = [int(s.stamps[n]) for s, n in zip(streams, found) if n is not None]
    if len(stamps) < len(streams):
        return tuple(found)
    if find is _received:
        together = [stream.nearest(min(stamps), tolerance) for stream in streams]
        stamps = [int(s.stamps[n]) for s, n in zip(streams, together) if n is not None]
        found = together
    near = max(stamps) - min(stamps) <= MAX_SKEW * 1e9
    return tuple(found) if near else (None,) * len(streams)


def _actions(
    recording: RawRecording,
    ticks: list[_Tick],
    schema: TaskSchema,
    kinematics: Kinematics,
    period: int,
    clutch: Clutch | None,
) -> tuple[list[Pose | None], Actions, str, str]:
    """References (T, 6), unclipped actions (T, A; NaN: unknown), and the sources of both."""
    arm, gripper = _arm_and_gripper(kinematics)
    positions = [t.position for t in ticks]
    leader = None if recording.leader is None else [t.leader for t in ticks]
    sources = {source_at(recording, t.stamp, period) for t in ticks[:-1]}
    by_human = sources <= {Source.HUMAN, Source.NONE} and positions[0] is not None
    human = leader if by_human and leader and leader[0] is not None else None
    if recording.commands is not None:
        commands = [_command(recording.commands, tick) for tick in ticks]
        references, unclipped = _between(commands, positions, kinematics)
        if human and clutch:
            by_leader = _leader_actions(human, references, kinematics, clutch)
            difference = np.abs(np.clip(by_leader, -1, 1) - np.clip(unclipped, -1, 1))[:-1, arm]
            same = not difference.size or np.nanmedian(difference) < MAX_ACTION_DIFFERENCE
            if same and gripper is not None:
                # The command stops at the gripper's limit; the leader shows that the human
                # squeezes further.
                known = np.isfinite(by_leader[:-1, gripper])
                unclipped[:-1, gripper][known] = by_leader[:-1, gripper][known]
                return references, unclipped, COMMANDS, LEADER
        return references, unclipped, COMMANDS, COMMANDS
    if human and clutch:
        followed = _follow_leader(human, positions, schema, kinematics, clutch)
        if followed:
            return *followed, LEADER, LEADER
    references, unclipped = _between(positions, positions, kinematics)
    if gripper is None:
        return references, unclipped, FOLLOWER, NO_GRIPPER
    if leader is None:
        return references, unclipped, FOLLOWER, OWN_JOINT
    grip = np.array([np.nan if pose is None else pose[5] for pose in leader])
    unclipped[:-1, gripper] = np.diff(grip) / kinematics.space.scales[gripper]
    return references, unclipped, FOLLOWER, "the leader's gripper"


def _arm_and_gripper(kinematics: Kinematics) -> tuple[list[int], int | None]:
    """Return the places of arm and gripper in an action; None: the action has no gripper."""
    gripper = kinematics.space.gripper
    return [i for i in range(len(kinematics.space.names)) if i != gripper], gripper


def _clutch(commands: JointStream | None, tick: _Tick) -> Clutch | None:
    """The clutch of an episode that begins at `tick`; None if the leader is not known there."""
    reference = tick.position if commands is None else _command(commands, tick)
    if tick.leader is None or reference is None:
        return None
    return tick.leader, reference


def _leader_actions(
    leader: list[Pose | None],
    references: list[Pose | None],
    kinematics: Kinematics,
    clutch: Clutch,
) -> Actions:
    """Unclipped actions (T, A; NaN: unknown) of the leader's motion since the clutch."""
    return np.array(
        [
            np.full(len(kinematics.space.names), np.nan)
            if pose is None or reference is None
            else kinematics.action_between(pose, reference, *clutch).unclipped
            for pose, reference in zip(leader, references)
        ]
    )


def _command(commands: JointStream, tick: _Tick) -> Pose | None:
    """The command in effect when this tick began, or the measured pose if there was none."""
    index = commands.before(tick.stamp)
    if index is None:
        return tick.position
    command: Pose = commands.values[index]
    if tick.position is None:
        return command
    old = tick.stamp - commands.stamps[index] > STALE_AGE
    far = np.abs(command - tick.position)[:5].max() > STALE_DISTANCE
    return tick.position if old and far else command


def _between(
    poses: list[Pose | None], positions: list[Pose | None], kinematics: Kinematics
) -> tuple[list[Pose | None], Actions]:
    """References, and unclipped actions from each pose to the next; NaN if one is unknown."""
    unclipped = np.full((len(poses), len(kinematics.space.names)), np.nan)
    for i, (current, following) in enumerate(itertools.pairwise(poses)):
        if current is not None and following is not None:
            unclipped[i] = kinematics.action_between(following, current).unclipped
    references = [p if r is None else r for r, p in zip(poses, positions)]
    return references, unclipped


def _follow_leader(
    leader: list[Pose | None],
    positions: list[Pose | None],
    schema: TaskSchema,
    kinematics: Kinematics,
    clutch: Clutch,
) -> tuple[list[Pose | None], Actions] | None:
    """References and actions as in live teleoperation; None if the arm did not follow."""
    reference = positions[0]
    references: list[Pose | None] = []
    unclipped = np.full((len(leader), len(kinematics.space.names)), np.nan)
    errors = []
    for i, (pose, measured) in enumerate(zip(leader, positions)):
        references.append(reference)
        if pose is None or measured is None or reference is None:
            continue  # the next known pose includes the leader's motion during this tick
        result = kinematics.action_between(pose, reference, *clutch)
        unclipped[i] = result.unclipped
        action = schema.executed(result.unclipped)
        errors.append(
            np.linalg.norm(kinematics.tool_pose(reference)[0] - kinematics.tool_pose(measured)[0])
        )
        reference = kinematics.joint_target(
            measured, reference, action, schema.pitch, schema.wrist_roll, hold=clutch[1]
        ).q
    return (references, unclipped) if np.median(errors) < MAX_FOLLOWING_ERROR else None


def _images(
    recording: RawRecording, ticks: list[_Tick], schema: TaskSchema
) -> dict[tuple[str, int], npt.NDArray[np.uint8]]:
    """Cropped images by camera and index in its stream."""
    images = {}
    for k, camera in enumerate(schema.cameras):
        stream = recording.images[camera.name]
        index_of = {stream.values[n]: n for t in ticks if (n := t.images[k]) is not None}
        for recorded, image in recording.frames(camera.name, set(index_of)):
            images[camera.name, index_of[recorded]] = crop_resize(image, camera)
    return images


def _reward(recording: RawRecording, stamp: int) -> float | None:
    """The reward at the time of the next observation; None if no reward was given."""
    if recording.rewards is None:
        return None
    index = recording.rewards.before(stamp)
    if index is None or stamp - recording.rewards.stamps[index] > MAX_REWARD_AGE:
        return None
    return recording.rewards.values[index][0]
