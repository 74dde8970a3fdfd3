"""Recordings from elsewhere: each is imported or refused in one sentence; the others go on."""

import shutil
import struct

from learner_support import raw_cell
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin

from hilserl_core.contract.tasks import make_task
from hilserl_learner.importing.importer import import_bag
from so101_description.kinematics import Kinematics
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_node.verb import run

ZSTD = CompressionFormat.ZSTD
SQLITE = {'plugin': StoragePlugin.SQLITE3}
KINDS = {
    'mcap': {},
    'mcap-zstd': {'compression': (CompressionMode.STORAGE, ZSTD)},
    'sqlite': SQLITE,
    'sqlite-file': {**SQLITE, 'compression': (CompressionMode.FILE, ZSTD)},
    'sqlite-message': {**SQLITE, 'compression': (CompressionMode.MESSAGE, ZSTD)},
    'png': {'compressed': True},
}


@pytest.fixture(scope='module')
def task():
    return make_task('grasp_lift', model_hash())


@pytest.fixture(scope='module')
def bags(task, tmp_path_factory):
    directory = tmp_path_factory.mktemp('bags')
    recording = raw_cell.make(task, Kinematics(), episodes=1, length=6)
    for kind, options in KINDS.items():
        raw_cell.write(directory / kind, recording, **options)
    return directory


def damaged(data, rng):
    """The bytes with a few changes, most of them near an end."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        length = len(data)
        at = int(
            rng.choice(
                [rng.integers(min(length, 400)), length - 1 - rng.integers(min(length, 3000))]
            )
        )
        data[at : at + int(rng.integers(0, 9))] = rng.choice([b'\xff' * 8, b'', b'\0' * 40, b'7'])
    return data


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_a_damaged_recording_is_imported_or_refused_in_one_sentence(task, bags, tmp_path, kind):
    rng = np.random.default_rng(0)
    for number in range(12):
        bag = tmp_path / str(number)
        shutil.copytree(bags / kind, bag)
        files = sorted(bag.iterdir())
        file = files[number % len(files)]
        file.write_bytes(damaged(file.read_bytes(), rng))
        try:
            import_bag(bag, task, tmp_path / f'out-{number}')
        except CellError as error:
            assert '\n' not in str(error) and len(str(error)) < 1000


def test_an_image_that_claims_to_be_huge_is_not_decoded(task, bags, tmp_path):
    shutil.copytree(bags / 'png', tmp_path / 'bag')
    (file,) = (tmp_path / 'bag').glob('*.mcap')
    data = file.read_bytes()
    assert b'IHDR' + struct.pack('>II', 160, 120) in data
    file.write_bytes(
        data.replace(
            b'IHDR' + struct.pack('>II', 160, 120), b'IHDR' + struct.pack('>II', 30_000, 30_000)
        )
    )
    with pytest.raises(CellError, match='30000x30000 pixels; allowed are'):
        import_bag(tmp_path / 'bag', task, tmp_path / 'out')


def test_the_other_bags_are_imported_and_the_failed_ones_are_named(bags, tmp_path, capsys):
    for name, kind in (('good', 'mcap'), ('bad', 'mcap'), ('cut', 'mcap'), ('also', 'sqlite')):
        shutil.copytree(bags / kind, tmp_path / 'in' / name)
    for file in (tmp_path / 'in' / 'bad').glob('*.mcap'):
        file.write_bytes(b'x' * 100)
    (tmp_path / 'in' / 'cut' / 'metadata.yaml').unlink()
    shutil.rmtree(tmp_path / 'in' / 'also')
    words = ['import', str(tmp_path / 'missing'), str(tmp_path / 'in'), '--task', 'grasp_lift']
    assert run([*words, '--out', str(tmp_path / 'out')]) == 1
    captured = capsys.readouterr()
    *lines, summary = captured.err.splitlines()
    assert summary == 'cell import: 1 of 4 bags are imported; not missing, bad, cut'
    assert len(lines) == 3 and all(line.startswith('cell import: ') for line in lines)
    assert (tmp_path / 'out' / 'good.import.json').exists()
