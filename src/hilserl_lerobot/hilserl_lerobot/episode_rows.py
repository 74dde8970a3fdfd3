"""The rows of recorded steps: one for each step with an action, and the observation after it.

A row's `action` is the joint target that the step commanded. The next step holds it: its measured
joints plus its following errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_core.bags.labels import as_final
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_description.joints import JOINTS, Floats
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError

from . import layout
from .choices import EVERYTHING, HUMAN
from .layout import feature
from .units import Units
from .writer import png


@dataclass(frozen=True)
class Stretch:
    """Steps with an action that become an episode of a dataset, and the observation after them."""

    steps: list[StepRecord]
    final: StepRecord
    outcome: Outcome

    @property
    def length(self) -> int:
        """Number of rows."""
        return len(self.steps)


def stretches(steps: list[StepRecord], choice: str) -> Iterator[Stretch]:
    """Yield what `choice` (of choices.WHAT) takes of an episode; nothing of a discarded one."""
    if not steps[-1].last:  # cut off: its last step becomes the final observation
        steps = [*steps[:-1], as_final(steps[-1])]
    outcome = Outcome(steps[-1].outcome)
    by_human = [step.source == Source.HUMAN for step in steps[:-1]]
    if outcome == Outcome.DISCARDED or not by_human:
        return
    if choice != HUMAN:
        if choice == EVERYTHING or (outcome == Outcome.SUCCESS and all(by_human)):
            yield Stretch(steps[:-1], steps[-1], outcome)
        return
    edges = np.flatnonzero(np.diff([False, *by_human, False]))
    for start, end in edges.reshape(-1, 2):
        ended = end == len(by_human)
        yield Stretch(steps[start:end], steps[end], outcome if ended else Outcome.NONE)


def features_of(schema: TaskSchema, units: Units, images: str) -> dict[str, Any]:
    """Return the dataset's features of a task. images: `video` or `image`."""
    return {
        **image_features(((c.name, c.out_height, c.out_width) for c in schema.cameras), images),
        **joint_features(units),
        layout.REWARD: feature('float32'),
        layout.DONE: feature('bool'),
        layout.SUCCESS: feature('bool'),
        layout.INTERVENTION: feature('bool'),
        layout.POLICY: feature('int64'),
        layout.OWN_ACTION: feature('float32', len(schema.action_names), list(schema.action_names)),
        layout.OWN_STATE: feature('float32', len(schema.state_names), list(schema.state_names)),
        layout.SIGMA: feature('float32'),
        layout.TERMINATED: feature('bool'),
        layout.TRUNCATED: feature('bool'),
        layout.STEP: feature('int64'),
        layout.STAMP: feature('int64'),
        layout.IMAGE_STAMPS: feature('int64', len(schema.cameras)),
    }


def image_features(cameras: Any, images: str) -> dict[str, Any]:
    """Return the features of cameras: (name, height, width) each."""
    return {
        key_of(name): {
            'dtype': images,
            'shape': [height, width, 3],
            'names': ['height', 'width', 'channels'],
        }
        for name, height, width in cameras
    }


def joint_features(units: Units) -> dict[str, Any]:
    """Return the features of joints, with their units."""
    names = [f'{joint}.pos' for joint in JOINTS]
    more = {'units': units.words} | (
        {'ranges': [list(pair) for pair in units.ranges]} if units.ranges else {}
    )
    return {
        name: feature('float32', len(JOINTS), names, **more)
        for name in (layout.ACTION, layout.STATE)
    }


def key_of(camera: str) -> str:
    """Return the feature of a camera's images: of `wrist_camera` observation.images.wrist."""
    return layout.IMAGES + camera.removesuffix('_camera')


def joint_places(schema: TaskSchema) -> tuple[list[int], list[int]]:
    """Return where a state has the joints' positions and following errors.

    CellError if it has no following errors: then the commanded joint targets are not recorded.
    """
    found = []
    for what in ('position', 'following_error'):
        names = [f'{joint}.{what}' for joint in JOINTS]
        missing = [name for name in names if name not in schema.state_names]
        if missing:
            raise CellError(
                f'the state of task {schema.name} has no {missing[0]}, so the joint targets that '
                'a LeRobot dataset needs are not recorded; add following_errors to its state'
            )
        found.append([schema.state_names.index(name) for name in names])
    return found[0], found[1]


def columns_of(
    stretch: Stretch, schema: TaskSchema, kinematics: Kinematics, units: Units
) -> dict[str, Any]:
    """Return the columns of the features that are no images, (N, D) each.

    kinematics: of the task.
    """
    steps, last = stretch.steps, stretch.steps[-1]
    measured, targets = _joints(stretch, schema, kinematics)

    def column(values: list[Any], kind: Any) -> npt.NDArray[Any]:
        return np.array(values, kind).reshape(len(steps), -1)

    return {
        layout.ACTION: units.of_rad(targets).astype(np.float32),
        layout.STATE: units.of_rad(measured).astype(np.float32),
        layout.REWARD: column(
            [np.nan if s.reward is None else s.reward for s in steps], np.float32
        ),
        layout.DONE: column([s.terminated or s.truncated for s in steps], bool),
        layout.SUCCESS: column(
            [s is last and stretch.outcome == Outcome.SUCCESS for s in steps], bool
        ),
        layout.INTERVENTION: column([s.source == Source.HUMAN for s in steps], bool),
        layout.POLICY: column([s.policy_version for s in steps], np.int64),
        layout.OWN_ACTION: column([s.action for s in steps], np.float32),
        layout.OWN_STATE: column([s.state for s in steps], np.float32),
        layout.SIGMA: column([s.sigma for s in steps], np.float32),
        layout.TERMINATED: column([s.terminated for s in steps], bool),
        layout.TRUNCATED: column([s.truncated for s in steps], bool),
        layout.STEP: column([s.index for s in steps], np.int64),
        layout.STAMP: column([s.stamp for s in steps], np.int64),
        layout.IMAGE_STAMPS: column([s.image_stamps for s in steps], np.int64),
    }


def _joints(stretch: Stretch, schema: TaskSchema, kinematics: Kinematics) -> tuple[Floats, Floats]:
    """Measured joints and commanded joint targets of each row, (N, 6) rad."""
    positions, errors = joint_places(schema)
    everything = [*stretch.steps, stretch.final]
    states = np.array([step.state for step in everything], np.float64)
    measured = states[:, positions]
    references = measured + states[:, errors]
    targets = references[1:].copy()
    for i, (step, following) in enumerate(itertools.pairwise(everything)):
        if following.index != step.index + 1:  # the next step does not show this step's target
            targets[i] = kinematics.joint_target(
                measured[i],
                references[i],
                step.action,
                schema.pitch,
                schema.wrist_roll,
                hold=references[0],
            ).q
    return measured[:-1], targets


def images_of(stretch: Stretch, schema: TaskSchema) -> dict[str, Iterator[npt.NDArray[np.uint8]]]:
    """Return the images of each camera's feature."""

    def of(number: int) -> Iterator[npt.NDArray[np.uint8]]:
        for step in stretch.steps:
            yield step.images[number]

    return {key_of(camera.name): of(i) for i, camera in enumerate(schema.cameras)}


def final_of(stretch: Stretch, number: int) -> dict[str, Any]:
    """Return the final observation of episode `number`, which has no row."""
    final = stretch.final
    return {
        'episode_index': number,
        'index': final.index,
        'stamp': final.stamp,
        'state': final.state.tolist(),
        'image_stamps': list(final.image_stamps),
        'images': [png(image) for image in final.images],
    }


def metadata_of(stretch: Stretch) -> dict[str, Any]:
    """Return what this suite adds to the metadata of an episode."""
    first = stretch.steps[0]
    return {
        'hilserl/episode_id': first.episode_id,
        'hilserl/outcome': stretch.outcome.name.lower(),
        'hilserl/run_id': first.run_id,
    }
