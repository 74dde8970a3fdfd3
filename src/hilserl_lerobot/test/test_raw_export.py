"""A raw recording becomes a dataset at the size and rate of its camera."""

from learner_support import raw_cell
import numpy as np
import pyarrow.parquet as pq
import pytest

from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.tasks import make_task
from hilserl_lerobot.choices import DEGREES
from hilserl_lerobot.dataset import Dataset
from hilserl_lerobot.exporting import export
from hilserl_lerobot.units import units_of
from so101_description.model import model_hash
from so101_node.errors import CellError


@pytest.fixture(scope='module')
def recording():
    schema = make_task('reach', model_hash())
    return raw_cell.make(schema, kinematics_of(schema))


@pytest.mark.slow
def test_a_raw_recording_is_exported_at_the_cameras_size_and_rate(tmp_path, recording):
    raw_cell.write(tmp_path / 'raw', recording)
    units = units_of(DEGREES)
    found = export([tmp_path / 'raw'], tmp_path / 'dataset', units, 'everything', 'image')
    assert found.episodes == 2 and found.outcomes == {'success': 2}
    dataset = Dataset(tmp_path / 'dataset')
    assert dataset.info.fps == 33  # the recording has an image each 30 ms
    assert dataset.info.features['observation.images.wrist'].shape == [120, 160, 3]
    table = pq.read_table(tmp_path / 'dataset/data/chunk-000/file-000.parquet')
    stamps = np.array(table['hilserl.stamp'].to_pylist())
    targets = units.to_rad(np.array(table['action'].to_pylist()))
    commands = recording.streams['commands']
    times = np.array([stamp for stamp, _ in commands])
    same = np.diff(np.array(table['episode_index'].to_pylist())) == 0
    for row in np.flatnonzero(same):
        in_effect = int(np.searchsorted(times, stamps[row + 1])) - 1
        assert np.abs(targets[row] - commands[in_effect][1]).max() < 1e-5
    images = dict(recording.streams['images'])
    for row, image in dataset.images(dataset.episodes[0], 'observation.images.wrist', {0, 5, 9}):
        assert np.array_equal(image, images[stamps[row]])


@pytest.mark.slow
def test_without_commands_a_raw_recording_is_refused(tmp_path, recording):
    raw_cell.write(tmp_path / 'raw', recording, drop=('commands',))
    with pytest.raises(CellError, match='has no follower/joint_commands'):
        export([tmp_path / 'raw'], tmp_path / 'dataset', units_of(DEGREES), 'everything', 'image')
    assert not (tmp_path / 'dataset').exists()
