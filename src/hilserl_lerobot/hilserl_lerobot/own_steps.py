"""Steps of a dataset that this suite exported, as they were recorded.

Its own columns hold them. They are compared with the joints' columns, because other programs may
have changed the dataset.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hilserl_core.bags.labels import as_final
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from . import layout
from .dataset import Dataset, Episode, decoded
from .episode_rows import joint_places, key_of
from .joint_names import find_joints
from .units import Units

MOST_OFF = 1e-3  # rad by which a joint may differ from the step's


def own_schema(dataset: Dataset) -> TaskSchema | None:
    """Return the task whose steps this suite exported; None if the dataset has no such columns."""
    text = (dataset.info.hilserl or {}).get('schema')
    if not text or any(name not in dataset.info.features for name in layout.OWN):
        return None
    return TaskSchema.from_json(text)


def own_episodes(
    dataset: Dataset, schema: TaskSchema, units: Units
) -> Iterator[tuple[list[StepRecord], int]]:
    """Yield the steps of each episode, and how many components of its actions are at the limit."""
    finals = dataset.finals()
    for episode in dataset.episodes:
        steps = _steps(dataset, episode, schema, units, finals.get(episode.number))
        yield (
            steps,
            sum(int((np.abs(step.action) >= 1.0).sum()) for step in steps if not step.last),
        )


def _steps(
    dataset: Dataset,
    episode: Episode,
    schema: TaskSchema,
    units: Units,
    final: dict[str, Any] | None,
) -> list[StepRecord]:
    names = [
        *layout.OWN,
        layout.STATE,
        layout.REWARD,
        layout.INTERVENTION,
        layout.POLICY,
    ]
    rows = dataset.rows(episode, names)
    states = rows[layout.OWN_STATE].astype(np.float32)
    joints = find_joints(layout.STATE, dataset.names(layout.STATE), 6)
    measured = units.to_rad(joints.values(rows[layout.STATE]))
    off = float(np.abs(measured - states[:, joint_places(schema)[0]]).max())
    if not off <= MOST_OFF:
        raise CellError(
            f'dataset {dataset.directory}: in episode {episode.number}, {layout.STATE} differs '
            f'from {layout.OWN_STATE} by {off:.3f} rad, so one of them was changed; remove the '
            'columns hilserl.* to import the joints'
        )
    cameras = [camera.name for camera in schema.cameras]
    images: list[list[Any]] = [[None] * len(cameras) for _ in range(episode.length)]
    for i, camera in enumerate(cameras):
        for row, image in dataset.images(episode, key_of(camera), set(range(episode.length))):
            images[row][i] = image
    entry = episode.metadata
    outcome = Outcome[str(entry.get('hilserl/outcome') or 'none').upper()]
    known: dict[str, Any] = {
        'schema_hash': schema.hash,
        'episode_id': str(entry.get('hilserl/episode_id') or f'episode-{episode.number}'),
        'cameras': tuple(cameras),
        'run_id': str(entry.get('hilserl/run_id') or ''),
    }
    reward = rows[layout.REWARD][:, 0]
    steps = [
        StepRecord(
            stamp=int(rows[layout.STAMP][i, 0]),
            index=int(rows[layout.STEP][i, 0]),
            image_stamps=tuple(int(stamp) for stamp in rows[layout.IMAGE_STAMPS][i]),
            images=tuple(images[i]),
            state=states[i],
            action=rows[layout.OWN_ACTION][i].astype(np.float32),
            source=Source.HUMAN if rows[layout.INTERVENTION][i, 0] else Source.POLICY,
            reward=None if np.isnan(reward[i]) else float(reward[i]),
            terminated=bool(rows[layout.TERMINATED][i, 0]),
            truncated=bool(rows[layout.TRUNCATED][i, 0]),
            policy_version=int(rows[layout.POLICY][i, 0]),
            sigma=float(rows[layout.SIGMA][i, 0]),
            **known,
        )
        for i in range(episode.length)
    ]
    if final is None:  # another program has left it out: the last row becomes the observation
        last = as_final(steps.pop())
    else:
        last = StepRecord(
            stamp=int(final['stamp']),
            index=int(final['index']),
            image_stamps=tuple(int(stamp) for stamp in final['image_stamps']),
            images=tuple(decoded(image, 'a final observation') for image in final['images']),
            state=np.array(final['state'], np.float32),
            action=np.zeros(0, np.float32),
            last=True,
            **known,
        )
    object.__setattr__(last, 'outcome', outcome)
    return [*steps, last]
