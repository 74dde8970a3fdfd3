"""LeRobot reads and trains on what `./cell export` writes; the import reads what LeRobot wrote.

It has an environment of its own, which `./cell test --peers` makes.
"""

import json
from pathlib import Path
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest

from hilserl_core.bags.episode_bag import Bag, bags_by_time
from hilserl_core.contract.steps import Source
from hilserl_core.contract.tasks import make_task, read_task
from hilserl_core.policy.other_program import directory_of
from hilserl_lerobot.choices import DEGREES
from hilserl_lerobot.exporting import export
from hilserl_lerobot.importing import Given, import_dataset
from hilserl_lerobot.policy_options import LerobotPolicyOptions
from hilserl_lerobot.policy_process import PolicyProcess
from hilserl_lerobot.policy_setup import command_of, features_of_policy, units_of_policy
from hilserl_lerobot.units import units_of
from hilserl_sim.training import record_demonstrations  # before MuJoCo
from hilserl_tests.cell_process import CellProcess, own_domain
from hilserl_tests.verb.test import LEROBOT, peers_python
from so101_description.joints import JOINTS
from so101_description.model import model_hash

CLIENT = Path(__file__).parent / 'peer_clients' / 'lerobot_dataset_client.py'
CAMERA = 'observation.images.wrist'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not peers_python(name=LEROBOT).exists(),
        reason='no build/lerobot: ./cell test --peers makes it',
    ),
]


def client(*arguments):
    words = [str(peers_python(name=LEROBOT)), str(CLIENT), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600.0, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp('runs') / 'demos'
    (directory / 'bags').mkdir(parents=True)
    record_demonstrations(make_task('reach', model_hash()), directory / 'bags', 2, 0, 'plain')
    return directory


@pytest.mark.timeout(700)
@pytest.mark.parametrize('images, most', [('image', 0.0), ('video', 0.012)])
def test_lerobot_reads_every_number_and_image_of_an_export(run, tmp_path, images, most):
    dataset = tmp_path / 'dataset'
    export([run], dataset, units_of(DEGREES), 'everything', images)
    client('read', dataset, tmp_path / 'read.npz')
    found = np.load(tmp_path / 'read.npz')
    table = pq.read_table(dataset / 'data/chunk-000/file-000.parquet')
    steps = [s for bag in bags_by_time(run / 'bags') for s in Bag(bag).steps() if not s.last]
    assert len(steps) == len(found['action']) == table.num_rows
    for name in table.column_names:
        if name != CAMERA:
            ours = np.array(table[name].to_pylist(), found[name].dtype)
            assert np.array_equal(ours, found[name], equal_nan=True), name
    assert np.array_equal(found['hilserl.action'], [step.action for step in steps])
    assert np.array_equal(found['hilserl.state'], [step.state for step in steps])
    frames = np.array([step.images[0] for step in steps]).transpose(0, 3, 1, 2) / 255.0
    differences = np.abs(frames - found[CAMERA]).mean((1, 2, 3))
    assert differences.max() <= most + 1e-6
    assert set(found['task'].tolist()) == {make_task('reach', model_hash()).instruction}


@pytest.mark.timeout(700)
def test_lerobots_act_trains_on_an_export(run, tmp_path):
    export([run], tmp_path / 'dataset', units_of(DEGREES), 'demonstrations', 'image')
    found = json.loads(client('train', tmp_path / 'dataset', '-').splitlines()[-1])
    assert found['actions'] == ['action']
    assert len(found['losses']) == 10 and np.isfinite(found['losses']).all()


@pytest.mark.timeout(700)
def test_a_dataset_that_lerobot_recorded_is_imported(tmp_path):
    episodes, rows, fps = 3, 46, 30
    times = np.arange(rows)[None, :, None] / fps
    middle = np.array([0.0, -20.0, 20.0, 70.0, 0.0, 60.0])
    goals = middle + np.array([15.0, 10.0, -10.0, 5.0, 0.0, 20.0]) * np.sin(times)
    goals = (goals + np.arange(episodes)[:, None, None]).astype(np.float32)
    states = np.concatenate([goals[:, :1], goals[:, :-1]], 1) - np.float32(0.3)
    shape = (episodes, rows, 96, 128, 3)
    images = np.broadcast_to((np.arange(rows) * 4)[None, :, None, None, None], shape)
    np.savez(
        tmp_path / 'given.npz',
        fps=fps,
        names=[f'{joint}.pos' for joint in JOINTS],
        action=goals,
        **{
            'observation.state': states,
            CAMERA: images.astype(np.uint8),
            'observation.images.front': images[:, :, :48, :64].astype(np.uint8),
        },
    )
    client('write', tmp_path / 'dataset', tmp_path / 'given.npz')
    given = Given(units=DEGREES, outcome='success')
    report = import_dataset(
        tmp_path / 'dataset', read_task('reach'), tmp_path / 'out', given=given
    )
    assert report.data()['episodes'] == episodes and report.steps == episodes * 15
    units = units_of(DEGREES)
    for episode, bag in enumerate(bags_by_time(tmp_path / 'out')):
        schema, steps = Bag(bag).schema, list(Bag(bag).steps())
        places = [schema.state_names.index(f'{joint}.position') for joint in JOINTS]
        measured = np.array([step.state[places] for step in steps])
        assert np.abs(measured - units.to_rad(states[episode, ::3])).max() < 1e-5
        for step, row in zip(steps, range(0, rows, 3)):
            assert abs(float(step.images[0].mean()) - 4 * row) < 6  # LeRobot's AV1


@pytest.fixture(scope='module')
def trained(run, tmp_path_factory):
    """A dataset of the run, and the policy that LeRobot's own command trained on it."""
    directory = tmp_path_factory.mktemp('act')
    export([run], directory / 'dataset', units_of(DEGREES), 'demonstrations', 'image')
    client('policy', directory / 'dataset', directory / 'out')
    return directory / 'dataset', directory_of(f'lerobot:{directory}/out')


@pytest.mark.timeout(700)
def test_an_act_that_lerobot_trained_answers_as_lerobots_own_evaluation_does(run, trained):
    dataset, policy = trained
    expected = json.loads(client('drive', dataset, policy).splitlines()[-1])
    options = LerobotPolicyOptions(
        policy_directory=str(policy), lerobot_python=str(peers_python(name=LEROBOT))
    )
    assert units_of_policy(options).name == DEGREES  # of the dataset that it was trained on
    rows = pq.read_table(dataset / 'data/chunk-000/file-000.parquet').slice(0, 3).to_pydict()
    images = [s.images[0] for s in Bag(bags_by_time(run / 'bags')[0]).steps()]
    process = PolicyProcess(command_of(options), 'the policy')
    try:
        wanted = process.load()
        features = features_of_policy(options, make_task('reach', model_hash()), wanted)
        assert wanted.kind == 'act' and features == (CAMERA,)
        found = [
            process.target(
                rows['observation.state'][i], {CAMERA: images[i].tobytes()}, i == 0, 'reach'
            )
            for i in range(3)
        ]
    finally:
        process.close()
    assert np.abs(np.array(found) - expected).max() < 1e-3


@pytest.mark.timeout(700)
def test_an_act_that_lerobot_trained_drives_the_simulated_cell(trained, tmp_path):
    words = [f'runs_dir:={tmp_path}', 'task:=reach', f'policy:=lerobot:{trained[1]}']
    words += [f'lerobot_python:={peers_python(name=LEROBOT)}', 'episodes:=1', 'keep:=all']
    with own_domain() as environment:
        cell = CellProcess(['eval', *words], environment)
        assert cell.wait(300) == 0, cell.text[-3000:]
    (report,) = tmp_path.glob('reach/eval/*/report.json')
    found = json.loads(report.read_text())
    assert found['complete'] and found['policy'] == str(trained[1])
    (bag,) = bags_by_time(report.parent / 'bags')
    steps = [step for step in Bag(bag).steps() if not step.last]
    assert {(step.source, step.policy_version) for step in steps} == {(Source.POLICY, 0)}
