"""From one episode of a raw recording to steps at the task's rate.

The action is what the live cell would have stored: from one commanded pose to the next by the
one FK function. Without commands it comes from the leader by the live clutch, or, where that
does not explain the motion, from the follower's own joints.
"""

from dataclasses import dataclass, replace
import itertools

import numpy as np

from hilserl_core.bags.labels import labelled
from hilserl_core.contract.observation import crop_resize, state_vector
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_description.kinematics import Kinematics

from .recording import RawRecording, Stream, read_frames
from .segmentation import Span, source_at

FOLLOWS = 0.03  # m; a follower that is nearer (median) to what the leader shows follows it
AGREES = 0.1  # median by which a leader that drove differs from the commands' actions
STALE = 10**9  # ns; a command as old, from which the arm is ...
AWAY = 0.3  # rad ... so far away, is not what the arm was doing
REWARD_AGE = 5 * 10**8  # ns, as live
LOOK = 10**8  # ns; a loop acts on the newest that it has, if it is no older ...
HEARD = 5 * 10**6  # ns; ... and it has not heard yet what is newer

COMMANDS = 'follower/joint_commands'
LEADER = 'the leader, clutched as live'
FOLLOWER = "the follower's motion; its following error is unknown and stored as 0"
OWN_JOINT = (
    "the follower's own joint: a held object stops it, so squeezing is lost; record "
    'follower/joint_commands or leader/joint_states'
)


@dataclass
class Imported:
    """An episode's steps, the last without an action, and what there is to say about them."""

    steps: list[StepRecord]
    unclipped: np.ndarray  # (N, 4) actions before clipping
    xyz_from: str
    gripper_from: str
    dropped: int  # ticks without a frame or a joint state near enough


@dataclass
class _Tick:
    stamp: int
    position: np.ndarray | None
    leader: np.ndarray | None
    frames: tuple[int | None, ...]  # index in the camera's stream


def steps_of(
    recording: RawRecording,
    span: Span,
    schema: TaskSchema,
    kinematics: Kinematics,
) -> Imported | None:
    """Steps of one episode, unlabelled; None if it is too short to hold one."""
    period = round(1e9 / schema.rate)
    ticks = _ticks(recording, span, period, schema)
    sound = [t.position is not None and None not in t.frames for t in ticks]
    if sum(sound) < 2:
        return None
    references, unclipped, xyz_from, gripper_from = _actions(
        recording, ticks, schema, kinematics, period
    )
    images = _images(recording, ticks, schema)
    actions = np.clip(unclipped, -1.0, 1.0).astype(np.float32)
    known = np.isfinite(unclipped).all(1)
    previous = np.zeros(len(schema.action_names), np.float32)
    steps, kept = [], []
    final = max(i for i, ok in enumerate(sound) if ok)
    for i, tick in enumerate(ticks[: final + 1]):
        source = source_at(recording, tick.stamp, period)
        acted = i < final and known[i] and source != Source.NONE
        if sound[i] and (acted or i == final):
            steps.append(
                StepRecord(
                    stamp=tick.stamp,
                    schema_hash=schema.hash,
                    episode_id=span.name,
                    index=round((tick.stamp - ticks[0].stamp) / period),
                    cameras=tuple(camera.name for camera in schema.cameras),
                    image_stamps=tuple(
                        int(recording.frames[c.name].stamps[n])
                        for c, n in zip(schema.cameras, tick.frames)
                    ),
                    images=tuple(
                        images[c.name, n]  # type: ignore[index]  # sound: no frame is missing
                        for c, n in zip(schema.cameras, tick.frames)
                    ),
                    state=state_vector(
                        tick.position,
                        references[i],
                        kinematics.tool_pose(tick.position)[0],
                        previous,
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
    return Imported(steps, unclipped[kept], xyz_from, gripper_from, final - len(kept))


def _ticks(recording, span, period, schema) -> list[_Tick]:
    """The episode's control ticks, and one more, at which what followed was seen."""
    # a loop at this rate says how it stands at the beginning of each tick, and then commands
    for stream in (recording.marks, recording.commands):
        if stream is not None:
            a, b = np.searchsorted(stream.stamps, [span.start, span.end - period // 2])
            stamps = np.unique(stream.stamps[a:b]).tolist()
            if len(stamps) > 2 and 0.8 < np.median(np.diff(stamps)) / period < 1.25:
                tolerance = max(period, LOOK)

                def see(stream, stamp, age):
                    return stream.latest(stamp - HEARD, age)

                break
    else:
        stamps = list(range(span.start, span.end - period, period))
        see, tolerance = Stream.nearest, period // 2

    def value(stream, stamp):
        index = None if stream is None else see(stream, stamp, tolerance)
        return None if index is None else stream.values[index]

    return [
        _Tick(
            stamp,
            value(recording.follower, stamp),
            value(recording.leader, stamp),
            tuple(see(recording.frames[c.name], stamp, tolerance) for c in schema.cameras),
        )
        for stamp in ([*stamps, stamps[-1] + period] if stamps else [])
    ]


def _actions(recording, ticks, schema, kinematics, period):
    """References (T, 6), unclipped actions (T, 4; NaN: unknown), and where both come from."""
    positions = [t.position for t in ticks]
    leader = None if recording.leader is None else [t.leader for t in ticks]
    sources = {source_at(recording, t.stamp, period) for t in ticks[:-1]}
    human = (
        leader is not None
        and leader[0] is not None
        and positions[0] is not None
        and sources <= {Source.HUMAN, Source.NONE}
    )
    if recording.commands is not None:
        commands = [_command(recording, tick) for tick in ticks]
        references, unclipped = _between(commands, positions, kinematics)
        if human:
            shown = _shown(leader, references, kinematics)
            apart = np.abs(np.clip(shown, -1, 1) - np.clip(unclipped, -1, 1))[:-1, :3]
            if np.nanmedian(apart) < AGREES:
                # the command stops at the gripper's bounds where the hand went on squeezing
                known = np.isfinite(shown[:-1, 3])
                unclipped[:-1, 3][known] = shown[:-1, 3][known]
                return references, unclipped, COMMANDS, LEADER
        return references, unclipped, COMMANDS, COMMANDS
    if human:
        references, unclipped = _clutched(leader, positions, schema, kinematics)
        if references is not None:
            return references, unclipped, LEADER, LEADER
    references, unclipped = _between(positions, positions, kinematics)
    if leader is None:
        return references, unclipped, FOLLOWER, OWN_JOINT
    grip = np.array([np.nan if pose is None else pose[5] for pose in leader])
    unclipped[:-1, 3] = np.diff(grip) / kinematics.config.gripper_step
    return references, unclipped, FOLLOWER, "the leader's gripper"


def _shown(leader, references, kinematics) -> np.ndarray:
    """Unclipped actions (T, 4; NaN: unknown) of a leader clutched at the first tick, as live."""
    return np.array(
        [
            np.full(4, np.nan)
            if shown is None or reference is None
            else kinematics.action_between(shown, reference, leader[0], references[0]).unclipped
            for shown, reference in zip(leader, references)
        ]
    )


def _command(recording, tick) -> np.ndarray | None:
    """Where the follower was told to be when this tick began; where it is, if it no longer was."""
    index = recording.commands.before(tick.stamp)
    if index is None or tick.position is None:
        return tick.position if index is None else recording.commands.values[index]
    command = recording.commands.values[index]
    old = tick.stamp - recording.commands.stamps[index] > STALE
    away = np.abs(command - tick.position)[:5].max() > AWAY
    return tick.position if old and away else command


def _between(poses, positions, kinematics) -> tuple[list, np.ndarray]:
    """Actions from each pose to the next; NaN where one of them is not known."""
    unclipped = np.full((len(poses), 4), np.nan)
    for i, (here, there) in enumerate(itertools.pairwise(poses)):
        if here is not None and there is not None:
            unclipped[i] = kinematics.action_between(there, here).unclipped
    references = [p if r is None else r for r, p in zip(poses, positions)]
    return references, unclipped


def _clutched(leader, positions, schema, kinematics):
    """References and actions as the live loop makes them; None if the arm went elsewhere."""
    reference = positions[0]
    references, unclipped, apart = [], np.full((len(leader), 4), np.nan), []
    for i, (shown, measured) in enumerate(zip(leader, positions)):
        references.append(reference)
        if shown is None or measured is None:
            continue  # what the hand did meanwhile shows in the next that is known
        result = kinematics.action_between(shown, reference, leader[0], positions[0])
        unclipped[i] = result.unclipped
        apart.append(
            np.linalg.norm(kinematics.tool_pose(reference)[0] - kinematics.tool_pose(measured)[0])
        )
        reference = kinematics.joint_target(
            measured, reference, result.action, schema.pitch, schema.wrist_roll
        ).q
    return (references, unclipped) if np.median(apart) < FOLLOWS else (None, None)


def _images(recording, ticks, schema) -> dict[tuple[str, int], np.ndarray]:
    """Cropped frames by camera and index in its stream."""
    images = {}
    for k, camera in enumerate(schema.cameras):
        stream = recording.frames[camera.name]
        index_of = {
            int(stream.values[t.frames[k]]): t.frames[k] for t in ticks if t.frames[k] is not None
        }
        for recorded, image in read_frames(recording.reader, camera.name, set(index_of)):
            images[camera.name, index_of[recorded]] = crop_resize(image, camera)
    return images


def _reward(recording, stamp: int) -> float | None:
    """What the judge last said when what followed was seen; None: nobody did."""
    if recording.rewards is None:
        return None
    index = recording.rewards.before(stamp)
    if index is None or stamp - recording.rewards.stamps[index] > REWARD_AGE:
        return None
    return recording.rewards.values[index][0]
