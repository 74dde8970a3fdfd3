"""Imports a LeRobot dataset as demonstrations of a task: `./cell import --lerobot DIR`.

Steps come about by the functions of the import of bags. It never guesses: what a dataset does not
say is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

import numpy as np

from hilserl_core.bags.labels import labelled
from hilserl_core.contract.action_check import ActionCheck
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_core.contract.task_file import TaskFile
from hilserl_core.contract.tasks import schema_of
from hilserl_learner.importing.conversion import steps_of
from hilserl_learner.importing.importer import write_episodes
from hilserl_learner.importing.summary import Report
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_node.names import camera_of

from . import layout
from .choices import NORMALISED, RADIANS
from .dataset import Dataset
from .joint_steps import SLOWEST, Source, recording_of, source_of
from .own_steps import own_episodes, own_schema
from .units import Units, ranges_of, units_in, units_of

Progress = Callable[[int, int], None]  # episodes done, of how many


@dataclass(frozen=True)
class Given:
    """What a person says of a dataset that its metadata does not.

    cameras: role -> feature; joints: their order; outcome: of episodes that have none.
    """

    units: str = ''
    calibration: str = ''
    cameras: tuple[tuple[str, str], ...] = ()
    joints: tuple[str, ...] = ()
    outcome: str = ''


def import_dataset(
    directory: Path,
    task: TaskFile,
    out: Path,
    unlabelled: str = 'refuse',
    given: Given = Given(),
    progress: Progress = lambda done, total: None,
) -> Report:
    """Import a dataset into `out`, a directory of episode bags; CellError if it is refused.

    unlabelled: as for `import_bag`.
    """
    dataset = Dataset(directory)
    units = _units(dataset, given)
    recorded = own_schema(dataset)
    if recorded:
        first = recorded.cameras[0]
        schema = schema_of(task, model_hash(), first.source_width, first.source_height)
        if schema.hash == recorded.hash:
            report = _report(directory, schema, 'recorded steps')
            episodes = _counted(own_episodes(dataset, schema, units), dataset, progress)
            write_episodes(
                _checked(episodes, schema, given, report), [], schema, out, unlabelled, report
            )
            return report
    cameras = _cameras(dataset, task, given)
    height, width = dataset.info.features[next(iter(cameras.values()))].shape[:2]
    schema = schema_of(task, model_hash(), width, height)
    for camera in schema.cameras:
        h, w = dataset.info.features[cameras[camera.name]].shape[:2]
        if (w, h) != (camera.source_width, camera.source_height):
            raise CellError(
                f'dataset {directory}: {cameras[camera.name]} is {w}x{h}, but task {task.name} '
                f'has images of {camera.source_width}x{camera.source_height} of {camera.name}'
            )
    if dataset.info.fps < SLOWEST * schema.rate:
        raise CellError(
            f'dataset {directory} has {dataset.info.fps:g} rows a second, task {task.name} needs '
            f'{schema.rate:g}; missing ones are not made up'
        )
    source = source_of(dataset, units, cameras, list(given.joints))
    report = _report(directory, schema, 'rows')
    if source.state.old:
        report.notes.append('its zeros are those of before May 2025 and were converted')
    if source.action is None:
        report.notes.append(
            'its actions move the tool; they were computed from the joints instead'
        )
    if recorded:
        report.notes.append(
            'its steps are of another task: ' + '; '.join(schema.differences(recorded))
        )
    found = _counted(_converted(source, schema, report), dataset, progress)
    write_episodes(_checked(found, schema, given, report), [], schema, out, unlabelled, report)
    return report


def _report(directory: Path, schema: TaskSchema, source: str) -> Report:
    return Report(str(directory), schema.name, schema, source, what='dataset')


def _units(dataset: Dataset, given: Given) -> Units:
    """The units of the joints, from the metadata or as given."""
    feature = dataset.info.features.get(layout.STATE)
    said = units_in(feature.units) if feature else ''
    if said and given.units and said != given.units:
        raise CellError(
            f'dataset {dataset.directory} says that its joints are {said}; leave --units out'
        )
    name = said or given.units
    if not name:
        raise CellError(
            f'dataset {dataset.directory} does not say the units of its joints; add --units '
            f'degrees (recorded with use_degrees), --units {NORMALISED} --calibration FILE '
            f"(LeRobot's default, -100 to 100), or --units {RADIANS}"
        )
    if name != NORMALISED:
        return units_of(name)
    ranges: Sequence[Sequence[int]] = (feature.ranges if feature else None) or ()
    if not ranges and not given.calibration:
        raise CellError(
            f'dataset {dataset.directory} is normalised to the recorded ranges of its follower; '
            'add --calibration FILE or --calibration lerobot:ID'
        )
    ranges = ranges or ranges_of(given.calibration)
    if len(ranges) != 6 or any(high <= low for low, high in ranges):
        raise CellError(f'dataset {dataset.directory} has wrong ranges of its joints: {ranges}')
    return units_of(name, ranges)


def _cameras(dataset: Dataset, task: TaskFile, given: Given) -> dict[str, str]:
    """The feature of each camera of the task; CellError names a camera that is missing."""
    found = {}
    asked = dict(given.cameras)
    for role in task.cameras:
        camera = camera_of(role)
        names = [asked[role]] if role in asked else [layout.IMAGES + n for n in (role, camera)]
        feature = next((name for name in names if name in dataset.cameras), None)
        if feature is None:
            has = ', '.join(dataset.cameras)[:300] or 'no images'
            raise CellError(
                f'dataset {dataset.directory} has no {names[0]} for the camera {role} of task '
                f'{task.name}; it has {has}; name one with --camera {role}=FEATURE'
            )
        found[camera] = feature
    return found


def _counted(
    episodes: Iterator[tuple[list[StepRecord], int]], dataset: Dataset, progress: Progress
) -> Iterator[tuple[list[StepRecord], int]]:
    for done, episode in enumerate(episodes):
        progress(done, len(dataset.episodes))
        yield episode


def _converted(
    source: Source, schema: TaskSchema, report: Report
) -> Iterator[tuple[list[StepRecord], int]]:
    """The steps of each episode, and how many components of its actions were clipped."""
    kinematics = kinematics_of(schema)
    info = (source.dataset.directory / layout.INFO).read_bytes()
    digest = hashlib.sha256(info + str(source.dataset.directory).encode()).hexdigest()[:8]
    for episode in source.dataset.episodes:
        recording, span, outcome = recording_of(source, episode)
        imported = steps_of(recording, span, schema, kinematics)
        if imported is None:
            report.notes.append(f'episode {episode.number} is too short to hold a step')
            continue
        report.dropped += imported.dropped
        report.actions_from[imported.xyz_from.replace('follower/joint_commands', 'action')] += 1
        report.gripper_from[
            imported.gripper_from.replace('follower/joint_commands', 'action')
        ] += 1
        steps = [replace(s, episode_id=f'{digest}-{span.name}') for s in imported.steps]
        if outcome != Outcome.NONE:
            steps = labelled(steps, outcome)
        else:  # a long episode is no timeout: what its person wanted is not known
            steps = [*steps[:-1], replace(steps[-1], outcome=Outcome.NONE)]
        yield steps, int((np.abs(imported.unclipped) > 1.0 + 1e-6).sum())


def _checked(
    episodes: Iterator[tuple[list[StepRecord], int]],
    schema: TaskSchema,
    given: Given,
    report: Report,
) -> Iterator[tuple[list[StepRecord], int]]:
    """The same episodes, with the outcome that was given; CellError for impossible actions."""
    for steps, clipped in episodes:
        if report.source == 'recorded steps':
            report.actions_from['recorded'] += 1
            report.gripper_from['recorded'] += 1
        check = ActionCheck(schema)
        for step in steps:
            check.add_step(step)
        if wrong := check.problem():
            raise CellError(f'{report.what} {report.bag}, episode {steps[0].episode_id}: {wrong}')
        if given.outcome and steps[-1].outcome == Outcome.NONE:
            steps = labelled(steps, Outcome[given.outcome.upper()])
        yield steps, clipped
