"""policy:=lerobot:DIR: what a cell with a policy of another program starts."""

import json

import pytest

from hilserl_actor.bringup import arguments
from hilserl_actor.bringup.planner import make_plan
from so101_node.errors import CellError


@pytest.fixture
def policy(tmp_path):
    directory = tmp_path / 'act' / 'pretrained_model'
    directory.mkdir(parents=True)
    (directory / 'config.json').write_text(json.dumps({'type': 'act'}))
    (directory / 'model.safetensors').write_bytes(b'weights')
    return directory


def plan(command, policy, *words):
    given = [f'policy:=lerobot:{policy.parent}', f'runs_dir:={policy.parents[1]}', *words]
    return make_plan(arguments.parse(command, given))


def nodes(a_plan):
    return {node.node: node.parameters for node in a_plan.nodes}


def test_a_recording_with_a_policy_is_driven_by_it_and_corrected_by_a_human(policy):
    found = nodes(plan('record', policy))
    assert found['actor']['role'] == 'train'
    assert found['actor']['other_policy'] == f'lerobot:{policy}'
    assert found['learner']['update_ratio'] == 0.0  # it records, and does not learn
    assert found['scripted_operator']['operator_role'] == 'intervene'
    assert found['lerobot_policy']['policy_directory'] == str(policy)
    # normalised joints count by the calibration of the arm that is driven
    assert found['lerobot_policy']['policy_calibration'] == found['driver']['follower_calibration']
    given = nodes(plan('record', policy, 'policy_units:=degrees', 'policy_calibration:=/c.json'))
    assert given['lerobot_policy']['policy_units'] == 'degrees'
    assert given['lerobot_policy']['policy_calibration'] == '/c.json'


def test_an_evaluation_of_it_goes_on_where_it_was_interrupted_and_starts_anew_if_it_changed(
    policy,
):
    first = plan('eval', policy)
    found = nodes(first)
    assert found['actor']['role'] == 'eval' and 'learner' not in found
    assert found['actor']['policies'] == str(policy)
    (directory,) = first.results
    assert directory.name.startswith('act-') and plan('eval', policy).results == (directory,)
    (policy / 'model.safetensors').write_bytes(b'other weights')
    assert plan('eval', policy).results != (directory,)


@pytest.mark.parametrize(
    'command, words, sentence',
    [
        ('record', ['purpose:=negatives'], 'negatives are driven by a person'),
        ('record', ['policy:=policy.safetensors'], 'a person drives a recording, or a policy of'),
        ('record', ['policy:=lerobot:/nowhere'], 'is no policy of LeRobot'),
        ('train', [], 'train has no option policy'),
    ],
)
def test_what_makes_no_sense_is_one_sentence(policy, command, words, sentence):
    given = {word.partition(':=')[0]: word for word in [f'policy:=lerobot:{policy}', *words]}
    with pytest.raises(CellError, match=sentence):
        make_plan(arguments.parse(command, [*given.values(), f'runs_dir:={policy.parents[1]}']))
