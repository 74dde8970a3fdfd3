"""Layouts of public datasets, rebuilt from their published meta/info.json with other numbers."""

import json

from lerobot_support.foreign import NAMES, degrees, motion
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilserl_core.contract.tasks import read_task
from hilserl_lerobot.importing import Given, import_dataset
from hilserl_lerobot.video import VideoWriter
from so101_description.joints import JOINTS
from so101_node.errors import CellError

ROWS, FPS = 31, 30
WHEELS = [f'{joint}.pos' for joint in sorted(JOINTS)] + ['wheel_1', 'wheel_2', 'wheel_3']
OLD = [f'main_{joint}' for joint in JOINTS]
# repository: version, names of state, of action, video features with their sizes
LAYOUTS = {
    'LeRobot-worldwide-hackathon/24-TuringPoint-asimovsToyboxPickandplace': (
        ('v2.1', NAMES, NAMES, {'wrist': (500, 500), 'webcam': (500, 500)}),
        None,
    ),
    'abuod0/so101_vla_dataset_v21': (
        ('v2.1', NAMES, NAMES, {'top': (720, 1280), 'wrist': (240, 320)}),
        None,
    ),
    'QianGroup/lekiwi_fetch_e2e': (
        ('v2.1', WHEELS, WHEELS, {'wrist': (48, 64)}),
        'action has 9 motors, an SO-101 has 6: .*wheel_1.* is no joint',
    ),
    'kartiksonu/xvla-openloop': (
        (
            'v3.0',
            list(JOINTS),
            ['x', 'y', 'z', 'roll', 'pitch', 'yaw', 'gripper'],
            {'wrist': (48, 64)},
        ),
        'action has 7 motors, an SO-101 has 6: the joint shoulder_pan is missing',
    ),
    'shivakanthsujit/eraser_2cam_with_env_state': (
        ('v2.1', OLD, OLD, {}),
        'has no observation.images.wrist for the camera wrist of task reach; it has no images',
    ),
    'pranavsaroha/synth_datasetteset': (
        (
            'v2.1',
            [f'joint_{i}' for i in range(6)],
            [f'joint_{i}' for i in range(6)],
            {'wrist': (48, 64)},
        ),
        'the joint shoulder_pan is missing',
    ),
}


def values(names):
    """A motion for the joints among these names, in LeRobot's degrees; 0 for others."""
    targets, _ = motion(ROWS, FPS)
    found = np.zeros((ROWS, len(names)), np.float32)
    for column, name in enumerate(names):
        if (joint := name.removesuffix('.pos')) in JOINTS:
            found[:, column] = degrees(targets)[:, JOINTS.index(joint)]
    return found


def rebuild(directory, version, state, action, cameras):
    scalar = {'shape': [1], 'names': None}
    features = {
        'observation.state': {'dtype': 'float32', 'shape': [len(state)], 'names': state},
        'action': {'dtype': 'float32', 'shape': [len(action)], 'names': action},
        'timestamp': {'dtype': 'float32', **scalar},
        'episode_index': {'dtype': 'int64', **scalar},
    }
    entry = {'episode_index': 0, 'tasks': ['pick'], 'length': ROWS}
    for camera, (height, width) in cameras.items():
        key = f'observation.images.{camera}'
        names = ['height', 'width', 'channels']
        features[key] = {'dtype': 'video', 'shape': [height, width, 3], 'names': names}
        place = f'videos/chunk-000/{key}/episode_000000.mp4'
        if version == 'v3.0':
            place = f'videos/{key}/chunk-000/file-000.mp4'
            entry |= {f'videos/{key}/chunk_index': 0, f'videos/{key}/file_index': 0}
            entry |= {f'videos/{key}/from_timestamp': 0.0}
        video = VideoWriter(directory / place, FPS, height, width)
        for row in range(ROWS):
            video.write(np.full((height, width, 3), 4 * row, np.uint8))
        video.close()
    info = {'codebase_version': version, 'robot_type': 'so101', 'fps': FPS, 'features': features}
    (directory / 'meta').mkdir(parents=True)
    (directory / 'meta/info.json').write_text(json.dumps(info))
    data = directory / 'data/chunk-000/episode_000000.parquet'
    if version == 'v3.0':
        entry |= {'data/chunk_index': 0, 'data/file_index': 0}
        file = directory / 'meta/episodes/chunk-000/file-000.parquet'
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([entry]), file)
        data = directory / 'data/chunk-000/file-000.parquet'
    else:
        (directory / 'meta/episodes.jsonl').write_text(json.dumps(entry))
    data.parent.mkdir(parents=True)
    columns = {
        'observation.state': list(values(state)),
        'action': list(values(action)),
        'timestamp': (np.arange(ROWS) / FPS).astype(np.float32),
        'episode_index': np.zeros(ROWS, np.int64),
    }
    pq.write_table(pa.table(columns), data)


@pytest.mark.slow
@pytest.mark.parametrize('name', LAYOUTS)
def test_a_public_layout_is_imported_or_refused_for_a_stated_reason(tmp_path, name):
    layout, reason = LAYOUTS[name]
    rebuild(tmp_path / 'dataset', *layout)
    given = Given(units='degrees', outcome='success')
    arguments = tmp_path / 'dataset', read_task('reach'), tmp_path / 'out'
    if reason:
        with pytest.raises(CellError, match=reason):
            import_dataset(*arguments, given=given)
    else:
        assert import_dataset(*arguments, given=given).steps == 10


def test_a_missing_damaged_or_slower_video_is_named(tmp_path):
    rebuild(tmp_path / 'dataset', 'v2.1', NAMES, NAMES, {'wrist': (48, 64)})
    video = next((tmp_path / 'dataset').rglob('*.mp4'))
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    _refused(tmp_path, 'video .*episode_000000.mp4 is damaged')
    video.unlink()
    _refused(tmp_path, 'video .*episode_000000.mp4 cannot be read')
    slower = VideoWriter(video, 25, 48, 64)
    for _ in range(ROWS):
        slower.write(np.zeros((48, 64, 3), np.uint8))
    slower.close()
    _refused(tmp_path, 'has 25 frames a second, but the dataset says fps 30')
    video.unlink()
    shorter = VideoWriter(video, 30, 48, 64)
    for _ in range(10):
        shorter.write(np.zeros((48, 64, 3), np.uint8))
    shorter.close()
    _refused(tmp_path, 'lacks frame 12 of an episode')


def _refused(tmp_path, sentence):
    given = Given(units='degrees', outcome='success')
    with pytest.raises(CellError, match=sentence) as caught:
        import_dataset(tmp_path / 'dataset', read_task('reach'), tmp_path / 'out', given=given)
    assert '\n' not in str(caught.value)
