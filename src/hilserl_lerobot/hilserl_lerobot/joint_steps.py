"""Steps of a dataset of joints: LeRobot's recordings become steps as raw recordings do.

A row holds an observation and the joint target that was commanded after it. At a tick the target
of the row before is in effect, as in a recording of this suite.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.steps import Outcome
from hilserl_learner.importing.recording import MAX_EXCESS, RawRecording
from hilserl_learner.importing.segmentation import Span
from hilserl_learner.importing.stream import MarkStream, Stream
from so101_description.joints import JOINTS, LOWER, UPPER, Floats
from so101_node.errors import CellError
from so101_node.modes import Mode

from . import layout
from .choices import DEGREES
from .dataset import Dataset, Episode, Image
from .joint_names import JointColumns, find_joints
from .units import Units

BASE = 10**18  # ns; a dataset does not say when it was recorded
BETWEEN = 60 * 10**9  # ns between two episodes
AFTER = 6_000_000  # ns from an observation to its command: a loop has read what is older than 5 ms
SLOWEST = 0.8  # a dataset's rate over the task's


@dataclass(frozen=True)
class Source:
    """What to read of a dataset. images: camera of the task -> feature."""

    dataset: Dataset
    units: Units
    state: JointColumns
    action: JointColumns | None  # None: the actions are no joint targets
    images: dict[str, str]
    labels: bool  # whether it says which episodes succeeded


def source_of(dataset: Dataset, units: Units, images: dict[str, str], joints: list[str]) -> Source:
    """Find the joints of a dataset; CellError names one that is missing.

    joints: their order where the dataset has no names.
    """
    found = {}
    for name in (layout.STATE, layout.ACTION):
        feature = dataset.info.features.get(name)
        where = f'dataset {dataset.directory}: {name}'
        if feature is None:
            raise CellError(f'{where} is missing')
        names = dataset.names(name) or (joints if len(joints) == feature.size else [])
        if name == layout.ACTION and _of_the_tool(names, feature.size):
            continue
        # an action that moves more than the arm is not that of an SO-101
        found[name] = find_joints(where, names, feature.size, others=name == layout.STATE)
        if found[name].old and units.name != DEGREES:
            raise CellError(
                f'{where} is of before May 2025, which is in degrees; add --units degrees'
            )
    return Source(
        dataset,
        units,
        found[layout.STATE],
        found.get(layout.ACTION),
        images,
        layout.SUCCESS in dataset.info.features or layout.REWARD in dataset.info.features,
    )


def _of_the_tool(names: list[str], size: int) -> bool:
    """Whether actions move the tool, as in LeRobot's HIL-SERL: three or four numbers."""
    return any('delta' in name for name in names) or (not names and size in (3, 4))


def recording_of(source: Source, episode: Episode) -> tuple[RawRecording, Span, Outcome]:
    """Return an episode as a recording, its span, and its outcome as far as it is known."""
    dataset = source.dataset
    extra = (layout.SUCCESS, layout.REWARD, layout.INTERVENTION)
    wanted = [name for name in extra if name in dataset.info.features]
    columns = [layout.STATE, *([layout.ACTION] if source.action else []), *wanted]
    rows = dataset.rows(episode, columns)
    start = BASE + episode.number * BETWEEN
    stamps = start + np.rint(np.arange(episode.length) * 1e9 / dataset.info.fps).astype(np.int64)
    measured = _angles(source, episode, layout.STATE, source.state, rows)
    commands = None
    if source.action:
        targets = _angles(source, episode, layout.ACTION, source.action, rows)
        commands = Stream(stamps[:-1] + AFTER, targets[:-1])
    marks: MarkStream | None = None
    rewards = None
    if layout.INTERVENTION in rows:
        modes = [
            str(Mode.HUMAN if human else Mode.POLICY) for human in rows[layout.INTERVENTION][:, 0]
        ]
        name = str(episode.number)
        marks = Stream(stamps + (AFTER if commands else 0), [(mode, name) for mode in modes])
    outcome, by_row = _outcome(source, episode, rows)
    if by_row is not None:
        rewards = Stream(stamps + AFTER + 1, [(float(r), False) for r in by_row])

    def frames(camera: str, chosen: set[int]) -> Iterator[tuple[int, Image]]:
        return dataset.images(episode, source.images[camera], chosen)

    recording = RawRecording(
        frames,
        Stream(stamps, measured),
        None,
        commands,
        marks,
        rewards,
        {camera: Stream(stamps, list(range(len(stamps)))) for camera in source.images},
    )
    return recording, Span(f'episode-{episode.number}', start, int(stamps[-1]) + AFTER), outcome


def _angles(
    source: Source,
    episode: Episode,
    name: str,
    joints: JointColumns,
    rows: dict[str, npt.NDArray[Any]],
) -> Floats:
    where = f'dataset {source.dataset.directory}: {name} of episode {episode.number}'
    try:
        values = joints.values(rows[name])
    except (ValueError, TypeError, IndexError) as error:
        raise CellError(f'{where} has values that are no numbers') from error
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, joint = (int(i) for i in wrong[0])
        raise CellError(f'{where}: {JOINTS[joint]} of row {row} is {values[row, joint]}')
    angles = source.units.to_rad(values)
    past = np.maximum(LOWER - angles.min(0), angles.max(0) - UPPER)
    if past.max() > MAX_EXCESS:
        joint = int(past.argmax())
        low, high = values[:, joint].min(), values[:, joint].max()
        raise CellError(
            f'{where}: {JOINTS[joint]} goes from {low:.2f} to {high:.2f}, which in '
            f'{source.units.name} is {past[joint]:.2f} rad past its limit; name the right '
            '--units, or leave this dataset out'
        )
    return angles


def _outcome(
    source: Source, episode: Episode, rows: dict[str, npt.NDArray[Any]]
) -> tuple[Outcome, npt.NDArray[Any] | None]:
    """The episode's outcome, and the reward of each row; NONE and None if they are not known."""
    said = episode.metadata.get('hilserl/outcome')
    rewards = rows[layout.REWARD][:, 0] if layout.REWARD in rows else None
    if rewards is not None and not np.isfinite(rewards).all():
        rewards = None
    if said in ('success', 'failure', 'timeout'):
        return Outcome[str(said).upper()], rewards
    if layout.SUCCESS in rows:
        success = bool(rows[layout.SUCCESS].any())
        return (Outcome.SUCCESS if success else Outcome.FAILURE), rewards
    if rewards is not None and rewards.max() >= 1.0:
        return Outcome.SUCCESS, rewards
    return Outcome.NONE, None  # rewards of 0 alone may stand for "not known"
