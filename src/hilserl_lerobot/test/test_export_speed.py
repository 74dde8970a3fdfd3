"""What makes an export fast changes nothing of what it writes."""

import threading

import numpy as np
import pytest

from hilserl_lerobot.statistics import of_columns, of_numbers
from hilserl_lerobot.video import WAITING, VideoWriter, read_frames
from hilserl_lerobot.writer import DatasetWriter
from so101_node.errors import CellError


def images(count, size=32):
    """Images with a light square that moves."""
    found = np.full((count, size, size, 3), 40, np.uint8)
    for number in range(count):
        found[number, 8:16, number % (size - 8) : number % (size - 8) + 8] = 200
    return found


def test_statistics_of_all_columns_at_once_are_those_of_each_alone():
    rng = np.random.default_rng(0)
    columns = {
        'floats': rng.normal(size=(30, 6)).astype(np.float32),
        'flags': rng.random((30, 1)) > 0.5,
        'partly unknown': np.where(np.arange(30)[:, None] < 20, np.nan, 1.0),
        'stamps': rng.integers(0, 2**62, (30, 2)),
        'unknown': np.full((30, 1), np.nan),
    }
    assert of_columns(columns) == {name: of_numbers(each) for name, each in columns.items()}
    assert of_columns({'unknown': columns['unknown']}) == {'unknown': {}}


def test_the_encoder_thread_keeps_the_order_and_ends_with_the_video(tmp_path):
    before, wanted = threading.active_count(), images(3 * WAITING)
    video = VideoWriter(tmp_path / 'video.mp4', 10, 32, 32)
    for image in wanted:
        video.write(image)
    video.close()
    assert threading.active_count() == before
    read = dict(read_frames(video.path, 10, 0.0, set(range(len(wanted)))))
    for number, image in enumerate(wanted):
        assert np.abs(read[number].astype(int) - image).mean() < 5.0


def test_an_error_of_the_encoder_comes_out_and_no_thread_waits_for_ever(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(VideoWriter, '_encode', full)
    before = threading.active_count()
    features = {
        'observation.images.wrist': {'dtype': 'video', 'shape': [32, 32, 3], 'names': None},
        'next.done': {'dtype': 'bool', 'shape': [1], 'names': None},
    }
    frames = images(10 * WAITING)
    with pytest.raises(CellError, match='dataset cannot be written: No space left'):
        with DatasetWriter(tmp_path / 'dataset', features, 10) as writer:
            done = {'next.done': np.zeros((len(frames), 1), bool)}
            writer.add_episode(done, {'observation.images.wrist': frames}, 'task', {})
    assert threading.active_count() == before and list(tmp_path.iterdir()) == []
