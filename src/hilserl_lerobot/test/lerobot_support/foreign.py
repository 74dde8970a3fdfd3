"""Datasets as LeRobot records them, of both versions, made without this suite's writer."""

import json

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from so101_description.joints import JOINTS

NAMES = [f'{joint}.pos' for joint in JOINTS]
CAMERA = 'observation.images.wrist'


def motion(rows, fps):
    """Joint targets (N, 6) rad of a slow motion, and the measured joints that follow them."""
    times = np.arange(rows)[:, None] / fps
    middle = np.array([0.0, -0.3, 0.3, 1.2, 0.0, 0.8])
    targets = middle + np.array([0.3, 0.2, -0.2, 0.1, 0.0, 0.4]) * np.sin(times)
    measured = np.vstack([targets[:1], targets[:-1]]) - 0.01
    return targets, measured


def degrees(angles):
    """LeRobot's degrees, and percent of the gripper, from ticks as its bus class has them."""
    ticks = angles * 4096 / (2 * np.pi)
    found = ticks * 360 / 4095
    found[:, 5] = (angles[:, 5] + 0.174533) / 1.919863 * 100
    return found


def write(
    directory,
    version='v3.0',
    names=NAMES,
    fps=30,
    rows=91,
    order=None,
    success=None,
    state=None,
    edit=lambda info: None,
):
    """Write a dataset of one episode with PNG images; order: of the joints in its columns."""
    targets, measured = motion(rows, fps)
    order = list(range(6)) if order is None else order
    state = degrees(measured)[:, order] if state is None else state
    columns = {
        'observation.state': list(state.astype(np.float32)),
        'action': list(degrees(targets)[:, order].astype(np.float32)),
        'timestamp': (np.arange(rows) / fps).astype(np.float32),
        'frame_index': np.arange(rows),
        'episode_index': np.zeros(rows, np.int64),
        'index': np.arange(rows),
        'task_index': np.zeros(rows, np.int64),
        CAMERA: [{'bytes': _image(number), 'path': None} for number in range(rows)],
    }
    described = {'dtype': 'float32', 'shape': [state.shape[1]], 'names': names}
    features = {
        'observation.state': described,
        'action': dict(described),
        CAMERA: {'dtype': 'image', 'shape': [48, 64, 3], 'names': ['height', 'width', 'channels']},
    }
    if success is not None:
        columns['next.success'] = np.arange(rows) == (rows - 1 if success else -1)
        features['next.success'] = {'dtype': 'bool', 'shape': [1], 'names': None}
    info = {'codebase_version': version, 'robot_type': 'so101', 'fps': fps, 'features': features}
    edit(info)
    (directory / 'meta').mkdir(parents=True)
    (directory / 'meta/info.json').write_text(json.dumps(info))
    entry = {'episode_index': 0, 'tasks': ['reach'], 'length': rows}
    if version == 'v2.1':
        (directory / 'meta/episodes.jsonl').write_text(json.dumps(entry) + '\n')
        data = directory / 'data/chunk-000/episode_000000.parquet'
    else:
        entry |= {'data/chunk_index': 0, 'data/file_index': 0}
        file = directory / 'meta/episodes/chunk-000/file-000.parquet'
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([entry]), file)
        data = directory / 'data/chunk-000/file-000.parquet'
    data.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), data)
    return directory


def _image(number):
    image = np.full((48, 64, 3), number % 256, np.uint8)
    return cv2.imencode('.png', image)[1].tobytes()
