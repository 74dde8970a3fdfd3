"""Bag to dataset to bag: nothing is lost but what a video codec loses."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from hilserl_core.bags.episode_bag import Bag, bags_by_time
from hilserl_core.bags.labels import Label, add_label
from hilserl_core.contract.steps import Outcome
from hilserl_core.contract.tasks import read_task
from hilserl_lerobot.choices import DEGREES, NORMALISED
from hilserl_lerobot.exporting import export
from hilserl_lerobot.importing import import_dataset
from hilserl_lerobot.units import units_of
from so101_description.joints import JOINTS
from so101_node import verb
from so101_node.errors import CellError

RANGES = ((1030, 3460), (827, 3225), (925, 3161), (954, 3305), (33, 4009), (1452, 2958))
FIELDS = (
    *('stamp', 'episode_id', 'index', 'schema_hash', 'cameras', 'image_stamps', 'source'),
    *('reward', 'terminated', 'truncated', 'last', 'outcome', 'policy_version', 'sigma', 'run_id'),
)


def episodes(directory):
    found = [list(Bag(bag).steps()) for bag in bags_by_time(directory)]
    return {steps[0].episode_id: steps for steps in found}


@pytest.mark.parametrize(
    'units, images, most',
    [(units_of(DEGREES), 'image', 0.0), (units_of(NORMALISED, RANGES), 'video', 3.0)],
)
def test_a_run_comes_back_from_a_dataset_as_it_was(run, tmp_path, units, images, most):
    found = export([run], tmp_path / 'dataset', units, 'everything', images)
    import_dataset(tmp_path / 'dataset', read_task('reach'), tmp_path / 'back')
    before, after = episodes(run / 'bags'), episodes(tmp_path / 'back')
    assert found.rows == sum(not step.last for steps in before.values() for step in steps)
    assert before.keys() == after.keys()
    for name, steps in before.items():
        for step, other in zip(steps, after[name], strict=True):
            for field in FIELDS:
                assert getattr(step, field) == getattr(other, field), field
            assert np.array_equal(step.state, other.state)
            assert np.array_equal(step.action, other.action)
            for image, again in zip(step.images, other.images):
                assert np.abs(image.astype(int) - again).mean() <= most


def test_a_row_has_the_joint_target_that_its_step_commanded(run, tmp_path):
    units = units_of(DEGREES)
    export([run], tmp_path / 'dataset', units, 'everything', 'image')
    info = json.loads((tmp_path / 'dataset/meta/info.json').read_text())
    assert info['codebase_version'] == 'v3.0'
    assert info['features']['action']['names'] == [f'{joint}.pos' for joint in JOINTS]
    assert info['features']['action']['units'] == ['degrees'] * 5 + ['range_0_100']
    table = pq.read_table(tmp_path / 'dataset/data/chunk-000/file-000.parquet')
    targets = units.to_rad(np.array(table['action'].to_pylist()))
    states = np.array(table['hilserl.state'].to_pylist())
    bag = Bag(bags_by_time(run / 'bags')[0])
    places = [bag.schema.state_names.index(f'{joint}.position') for joint in JOINTS]
    errors = [bag.schema.state_names.index(f'{joint}.following_error') for joint in JOINTS]
    same = np.diff(np.array(table['episode_index'].to_pylist())) == 0
    following = (states[:, places] + states[:, errors])[1:]
    assert np.abs(targets[:-1] - following)[same].max() < 1e-5
    assert np.abs(targets[:-1] - (states[:, places] + states[:, errors])[:-1])[same].max() > 1e-3


@pytest.mark.parametrize('units', [units_of(DEGREES), units_of(NORMALISED, RANGES)])
def test_units_are_those_of_lerobots_bus_and_their_inverse_is_exact(units):
    ticks = np.array([[low, high] for low, high in RANGES], float).T
    middle = ticks.mean(0)
    angles = (ticks - middle) * 2 * np.pi / 4096
    angles[:, 5] = [-0.174533, 1.74533]
    expected = np.array([[-100.0], [100.0]]) * np.ones(6)
    if units.name == DEGREES:
        expected = (ticks - middle) * 360 / 4095
    expected[:, 5] = [0.0, 100.0]
    assert np.abs(units.of_rad(angles) - expected).max() < 1e-9
    assert np.abs(units.to_rad(units.of_rad(angles)) - angles).max() < 1e-12


def test_a_discarded_episode_and_what_was_not_asked_for_are_left_out(run, tmp_path):
    bags = bags_by_time(run / 'bags')
    for bag in bags[:2]:
        (tmp_path / 'bags' / bag.name).mkdir(parents=True)
        for file in bag.iterdir():
            (tmp_path / 'bags' / bag.name / file.name).write_bytes(file.read_bytes())
    add_label(tmp_path / 'bags' / bags[0].name, Label(Outcome.DISCARDED))
    add_label(tmp_path / 'bags' / bags[1].name, Label(Outcome.FAILURE))
    for choice, count in (('everything', 1), ('human', 1)):
        found = export([tmp_path], tmp_path / choice, units_of(DEGREES), choice, 'image')
        assert found.episodes == count and found.left_out['discarded'] == 1
    with pytest.raises(CellError, match='there is no episode to export'):
        export([tmp_path], tmp_path / 'none', units_of(DEGREES), 'demonstrations', 'image')
    assert not list(tmp_path.glob('*none*'))


def test_an_interrupted_export_leaves_nothing(run, tmp_path):
    def interrupt(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export([run], tmp_path / 'd', units_of(DEGREES), 'everything', 'video', interrupt)
    assert list(tmp_path.iterdir()) == []
    export([run], tmp_path / 'd', units_of(DEGREES), 'everything', 'video')
    with pytest.raises(CellError, match='exists; remove it'):
        export([run], tmp_path / 'd', units_of(DEGREES), 'everything', 'video')


KILLED = """
import os, signal, sys
from pathlib import Path
from hilserl_lerobot.exporting import export
from hilserl_lerobot.units import units_of

def kill(done, total):
    if done == 1:
        os.kill(os.getpid(), signal.SIGKILL)

export([Path(sys.argv[1])], Path(sys.argv[2]), units_of('degrees'), 'everything', 'video', kill)
"""


@pytest.mark.slow
def test_a_killed_export_leaves_no_dataset_and_the_next_one_removes_what_it_left(run, tmp_path):
    words = [sys.executable, '-c', KILLED, str(run), str(tmp_path / 'd')]
    assert subprocess.run(words, check=False).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name == '.d.unfinished' and not (left / 'meta').exists()
    found = export([run], tmp_path / 'd', units_of(DEGREES), 'everything', 'video')
    assert [path.name for path in tmp_path.iterdir()] == ['d']
    assert found.rows == pq.read_table(tmp_path / 'd/data/chunk-000/file-000.parquet').num_rows


def test_the_verbs_say_what_they_did(run, tmp_path, capsys):
    dataset, out = str(tmp_path / 'lerobot'), str(tmp_path / 'out')
    assert verb.run(['export', str(run), '--lerobot', dataset, '--what', 'demonstrations']) == 0
    said = capsys.readouterr().out
    assert said.startswith('cell export: 2 episodes (2 success), ')
    assert f"LeRobotDataset('local/lerobot', root={dataset!r}) reads it" in said
    for words in (
        ['--lerobot', dataset, '--task', 'reach'],
        ['--task', 'reach', '--lerobot', dataset],
    ):
        assert verb.run(['import', *words, '--out', f'{out}-{words[0]}']) == 0
    assert '"dataset": ' in capsys.readouterr().out
    assert verb.run(['export', str(run), '--lerobot', out, '--units', 'normalised']) == 1
    assert 'add --calibration FILE' in capsys.readouterr().err
