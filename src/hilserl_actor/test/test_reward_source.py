"""Who gives the reward: what reward:= and purpose:= start, and which mistakes they refuse."""

import json

import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.planner import make_plan
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.safetensors_header import DETECTOR_FORMAT, FORMAT
from so101_description.model import model_hash
from so101_node.errors import CellError

REAL = ['sim:=false', 'bench:=none', 'follower_port:=/dev/f', 'follower_calibration:=/f.json']


def plan(command, *words):
    return make_plan(arguments.parse(command, [*words, 'console:=false']))


def parameters(a_plan):
    return {node.node: node.parameters for node in a_plan.nodes}


@pytest.fixture
def detector(tmp_path):
    """A file with the header of a success detector; the node checks the rest."""
    return header(tmp_path / 'lift.safetensors', DETECTOR_FORMAT, 'grasp_lift')


def header(path, form, task):
    metadata = {'format': form, 'schema': make_task(task, model_hash()).canonical()}
    data = json.dumps({'__metadata__': metadata}).encode()
    path.write_bytes(len(data).to_bytes(8, 'little') + data)
    return path


@pytest.mark.parametrize(
    'words, source, world_gives',
    [
        ([], 'topic', True),
        (['reward:=world'], 'topic', True),
        (['reward:=topic'], 'topic', False),
        (['reward:=operator'], 'operator', False),
    ],
)
def test_in_the_simulated_cell(words, source, world_gives):
    found = parameters(plan('train', *words))
    assert found['actor']['reward_source'] == source
    assert found['world']['gives_reward'] == world_gives
    assert 'success_detector' not in found


@pytest.mark.parametrize('words, source', [([], 'operator'), (['reward:=topic'], 'topic')])
def test_in_a_real_cell(words, source):
    assert parameters(plan('train', *REAL, *words))['actor']['reward_source'] == source


@pytest.mark.parametrize('command', ['train', 'record'])
def test_a_detector_is_the_only_node_that_gives_the_reward(command, detector, tmp_path):
    words = [f'reward:={detector}', f'runs_dir:={tmp_path}', 'frame_size:=64']
    found = parameters(plan(command, *words))
    assert found['actor']['reward_source'] == 'topic' and not found['world']['gives_reward']
    node = found['success_detector']
    assert node['detector'] == str(detector) and node['frame_size'] == 64
    assert node['run_id'] == found['actor']['run_id'] != ''


def test_a_detector_in_a_real_cell_has_the_size_of_its_images(tmp_path):
    path = tmp_path / 'lift.safetensors'
    schema = make_task('grasp_lift', model_hash(), 640, 480)
    data = json.dumps(
        {'__metadata__': {'format': DETECTOR_FORMAT, 'schema': schema.canonical()}}
    ).encode()
    path.write_bytes(len(data).to_bytes(8, 'little') + data)
    found = parameters(plan('train', *REAL, f'reward:={path}'))
    assert found['success_detector']['image_width'] == found['actor']['image_width'] == 640


def test_mistakes_are_one_sentence(detector, tmp_path):
    other = header(tmp_path / 'reach.safetensors', DETECTOR_FORMAT, 'reach')
    policy = header(tmp_path / 'policy.safetensors', FORMAT, 'grasp_lift')
    for command, words, sentence in (
        ('train', ['reward:=wrld'], 'reward:=wrld is neither world, operator, topic nor a file'),
        ('train', [*REAL, 'reward:=world'], 'reward:=world is for the simulated cell'),
        ('train', [f'reward:={other}'], f'success detector {other} is of another task; name: '),
        ('train', [f'reward:={policy}'], "has format 'hilserl-policy-2'"),
        ('eval', ['reward:=operator'], 'needs a person; add operator:=person'),
        ('train', ['purpose:=negatives'], 'train has no option purpose; record has'),
        ('record', ['purpose:=other'], 'is not one of demonstrations, negatives'),
    ):
        with pytest.raises(CellError) as error:
            plan(command, *words)
        assert sentence in str(error.value) and '\n' not in str(error.value)


def test_negatives_have_a_directory_and_an_operator_of_their_own(tmp_path):
    made = plan('record', 'purpose:=negatives', f'runs_dir:={tmp_path}')
    assert made.run_dir == tmp_path / 'negatives'
    assert parameters(made)['scripted_operator']['operator_role'] == 'near_miss'
    assert 'what looks like a success and is none' in made.note
    made = plan('record', f'runs_dir:={tmp_path}')
    assert parameters(made)['scripted_operator']['operator_role'] == 'demonstrate'
    person = plan('record', 'purpose:=negatives', 'operator:=person', f'runs_dir:={tmp_path}')
    assert 'mark each with f, failure' in person.note
