"""The process of a LeRobot policy: what it says is checked, and each fault is one sentence."""

import json
from pathlib import Path
import socket
import struct
import sys

import pytest

from hilserl_core.contract.tasks import make_task
from hilserl_lerobot import wire
from hilserl_lerobot.choices import DEGREES, NORMALISED
from hilserl_lerobot.exporting import export
from hilserl_lerobot.policy_options import LerobotPolicyOptions
from hilserl_lerobot.policy_process import PolicyProcess, Wanted
from hilserl_lerobot.policy_setup import command_of, features_of_policy, units_of_policy
from hilserl_lerobot.units import units_of
from so101_description.model import model_hash
from so101_node.errors import CellError

STAND_IN = Path(__file__).parent / 'lerobot_support' / 'stand_in.py'
WRIST = 'observation.images.wrist'
IMAGES = {WRIST: bytes(64 * 64 * 3)}


@pytest.fixture
def started(tmp_path):
    processes = []

    def start(**config):
        (tmp_path / 'config.json').write_text(json.dumps(config))
        words = [sys.executable, str(STAND_IN), '-m', 'x', '{socket}', str(tmp_path), 'cpu']
        processes.append(PolicyProcess([words[0], words[1], *words[2:]], 'the policy'))
        return processes[-1]

    yield start
    for process in processes:
        process.close()
        assert process._process.returncode is not None


def test_a_policy_answers_observations_and_forgets_its_plan_when_told(started):
    process = started()
    assert process.load() == Wanted('act', {WRIST: (64, 64)})
    state = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    first, second = (process.target(state, IMAGES, False, 'reach') for _ in range(2))
    assert first == [1.5, 2.0, 3.0, 4.0, 5.0, 50.0] and second[0] == 2.0
    assert process.target([0.0] * 6, IMAGES, True, 'reach')[0] == 0.5


@pytest.mark.parametrize(
    'config, sentence',
    [
        ({'fault': 'unloadable'}, 'cannot be loaded: RuntimeError: no such weights'),
        ({'fault': 'garbage'}, 'too long'),
        ({'ready': {'action': 7}}, 'has 6 values of state and 7 of action; an SO-101 has 6'),
        ({'ready': {'others': ['observation.force']}}, 'needs observation.force, which a cell'),
        ({'ready': {'images': 3}}, 'did not say what it needs'),
    ],
)
def test_a_policy_that_cannot_drive_is_refused_in_one_sentence(started, config, sentence):
    with pytest.raises(CellError, match=sentence) as caught:
        started(**config).load()
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'fault, sentence',
    [('nan', 'not six numbers'), ('seven', 'not six numbers'), ('ends', 'has ended')],
)
def test_an_answer_that_is_no_target_is_refused(started, fault, sentence):
    process = started(fault=fault)
    process.load()
    with pytest.raises(CellError, match=sentence):
        process.target([0.0] * 6, IMAGES, True, '')


@pytest.mark.slow
def test_an_environment_without_lerobot_is_named(tmp_path):
    for word, sentence in ((sys.executable, 'No module named'), ('/no/python', 'lerobot_python:')):
        options = LerobotPolicyOptions(policy_directory=str(tmp_path), lerobot_python=word)
        with pytest.raises(CellError, match=sentence):
            process = PolicyProcess(command_of(options), 'the policy')
            try:
                process.load()
            finally:
                process.close()


@pytest.mark.parametrize(
    'sent',
    [
        struct.pack('>II', wire.MAX_JSON + 1, 0),
        struct.pack('>II', 2, wire.MAX_BYTES + 1) + b'{}',
        struct.pack('>II', 3, 0) + b'[1]',
        struct.pack('>II', 2, 0) + b'{x',
        struct.pack('>II', 50000, 0) + b'[' * 50000,
        struct.pack('>II', 2, 9) + b'{}12345',
    ],
)
def test_a_message_that_is_none_or_too_long_is_refused(sent):
    here, there = socket.socketpair()
    with here, there:
        there.sendall(sent)
        there.shutdown(socket.SHUT_WR)
        with pytest.raises(wire.WireError):
            wire.receive(here)


def test_images_are_those_of_the_task_at_its_size():
    schema = make_task('reach', model_hash())
    options = LerobotPolicyOptions()
    size = (schema.cameras[0].out_height, schema.cameras[0].out_width)
    assert features_of_policy(options, schema, Wanted('act', {WRIST: size})) == (WRIST,)
    assert features_of_policy(options, schema, Wanted('act', {})) == ('',)
    other = 'observation.images.gripper'
    with pytest.raises(CellError, match=f'policy_cameras:=ROLE={other}'):
        features_of_policy(options, schema, Wanted('act', {other: size}))
    named = LerobotPolicyOptions(policy_cameras=(f'wrist={other}',))
    assert features_of_policy(named, schema, Wanted('act', {other: size})) == (other,)
    with pytest.raises(CellError, match='of 640x480, the task reach has 64x64'):
        features_of_policy(options, schema, Wanted('act', {WRIST: (480, 640)}))


@pytest.mark.slow
def test_units_come_from_the_dataset_of_the_training_or_are_asked_for(run, tmp_path):
    policy = tmp_path / 'policy'
    policy.mkdir()
    options = LerobotPolicyOptions(policy_directory=str(policy))
    with pytest.raises(CellError, match='add policy_units:=degrees'):
        units_of_policy(options)
    config = policy / 'train_config.json'
    config.write_text(json.dumps({'dataset': {'root': str(tmp_path / 'gone')}}))
    with pytest.raises(CellError, match='a dataset that is not here'):
        units_of_policy(options)
    ranges = ((1000, 3000),) * 6
    export([run], tmp_path / 'd', units_of(NORMALISED, ranges), 'everything', 'image')
    config.write_text(json.dumps({'dataset': {'root': str(tmp_path / 'd')}}))
    found = units_of_policy(options)
    assert (found.name, found.ranges) == (NORMALISED, ranges)
    config.write_text('{"dataset": 3}')
    with pytest.raises(CellError, match='is damaged'):
        units_of_policy(options)
    given = LerobotPolicyOptions(policy_directory=str(policy), policy_units=DEGREES)
    assert units_of_policy(given).name == DEGREES
    normalised = LerobotPolicyOptions(policy_directory=str(policy), policy_units=NORMALISED)
    with pytest.raises(CellError, match='policy_calibration:=FILE'):
        units_of_policy(normalised)
