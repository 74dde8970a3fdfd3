"""The schema's identity, the crop, the state vector and the noise schedules."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from hilserl_core.contract.kinematics_check import (
    BOX,
    kinematics_config,
    kinematics_of,
    require_same_kinematics,
)
from hilserl_core.contract.observation import JointVelocity, crop_resize, state_vector
from hilserl_core.contract.task import TaskSchema
from hilserl_core.contract.task_options import TaskOptions
from hilserl_core.contract.tasks import make_task
from hilserl_core.policy.exploration import PRESETS, sigma_schedule
from so101_description.model import model_hash
from so101_node.errors import CellError


def test_schema_survives_json_with_its_hash(schema):
    again = TaskSchema.from_json(schema.canonical())
    assert again == schema
    assert again.hash == schema.hash
    assert len(schema.hash) == 64


def test_every_field_is_in_the_hash(schema):
    other = {
        'name': 'other',
        'cameras': (),
        'frame': 'x',
        'rate': 20.0,
        'max_steps': 7,
        'pitch': 0.1,
        'wrist_roll': 0.2,
        'start': (0.2, 0.0, 0.1),
        'start_spread': 0.002,
        'box_min': (0.0, -0.1, 0.0),
        'box_max': (0.4, 0.1, 0.2),
        'model_hash': 'else',
        'action_scale': 0.03,
        'gripper_step': 0.1,
        'action_names': ('a',),
        'discrete_gripper': True,
        'state_names': ('s',) * 19,
        'state_units': ('deg',) * 19,
        'state_offset': (9.0,) * 19,
        'state_scale': (9.0,) * 19,
    }
    others = {'instruction', 'reset', 'action_scales', 'discount'}
    assert set(other) | others == {f.name for f in dataclasses.fields(schema)}
    hashes = {schema.hash}
    for name, value in other.items():
        changed = dataclasses.replace(schema, **{name: value})
        assert schema.differences(changed)[0].startswith(name)
        hashes.add(changed.hash)
    of_axes = {'action_scale': 0.0, 'gripper_step': 0.0, 'action_scales': (0.02,) * 3 + (0.2,)}
    hashes.add(dataclasses.replace(schema, **of_axes).hash)
    assert len(hashes) == len(other) + 2


def test_differences_name_the_cameras_field(schema):
    camera = dataclasses.replace(schema.cameras[0], left=19)
    lines = schema.differences(dataclasses.replace(schema, cameras=(camera,)))
    assert lines == ['wrist_camera left: 20 here, 19 there']
    assert schema.differences(schema) == []


@pytest.mark.parametrize('text', ['', '{}', '[]', '{"name": "x"}', 'null'])
def test_text_that_is_not_a_schema_raises_one_sentence(text):
    with pytest.raises(CellError, match='not a task schema'):
        TaskSchema.from_json(text)


def test_bad_schemas_are_refused(schema):
    with pytest.raises(CellError, match='scale 0'):
        dataclasses.replace(schema, state_scale=(0.0,) * 19)
    with pytest.raises(CellError, match='crop'):
        dataclasses.replace(schema.cameras[0], left=50)
    with pytest.raises(CellError, match='start x'):
        dataclasses.replace(schema, start=(0.1, 0.0, 0.07))


def test_tasks_of_both_cameras_differ_only_in_the_crop():
    small, large = make_task('grasp_lift', 'm'), make_task('grasp_lift', 'm', 640, 480)
    crop = large.cameras[0]
    assert (crop.top, crop.left, crop.height, crop.width) == (0, 80, 480, 480)
    assert (small.cameras[0].top, small.cameras[0].left) == (0, 20)
    assert dataclasses.replace(large, cameras=small.cameras) == small


def test_the_image_is_cropped_as_the_spec_says(schema):
    spec = schema.cameras[0]
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, :20], image[:, 140:] = 255, 255
    assert crop_resize(image, spec).max() == 0
    image[0:30, 20:50] = (10, 20, 30)
    small = crop_resize(image, spec)
    assert small.shape == (64, 64, 3) and small.dtype == np.uint8
    assert small[0, 0].tolist() == [10, 20, 30] and small[63, 63].tolist() == [0, 0, 0]
    with pytest.raises(CellError, match='image is'):
        crop_resize(np.zeros((480, 640, 3), np.uint8), spec)


def test_state_vector_is_in_the_schemas_order(schema):
    position = np.arange(6) * 0.1
    measured = (position, position + 0.01, (0.2, 0.0, 0.1), (1, -1, 0, 0.5), np.zeros(6))
    state = state_vector(schema, *measured)
    assert state.dtype == np.float32 and state.shape == (len(schema.state_names),)
    named = dict(zip(schema.state_names, state))
    assert named['elbow_flex.position'] == pytest.approx(0.2)
    assert named['gripper.following_error'] == pytest.approx(0.01)
    assert named['tool.z'] == pytest.approx(0.1)
    assert named['previous.gripper'] == pytest.approx(0.5)
    places = list(range(18, -1, -3))  # another order, and not all of them
    some = select_state(schema, places)
    assert state_vector(some, *measured).tolist() == state[places].tolist()
    other = dataclasses.replace(some, state_names=('mood', *some.state_names[1:]))
    with pytest.raises(CellError, match="cannot measure the state 'mood'"):
        state_vector(other, *measured)


def test_the_velocity_is_that_of_the_joints_since_the_observation_before():
    velocity, first = JointVelocity(), np.arange(6) * 0.1
    assert velocity.at(10**18, first).tolist() == [0.0] * 6
    assert velocity.at(10**18 + 10**8, first + 0.02) == pytest.approx(np.full(6, 0.2))
    assert velocity.at(10**18 + 10**8, first + 0.02) == pytest.approx(np.full(6, 0.2))  # again
    later = velocity.at(10**18 + 3 * 10**8, first)  # an observation was dropped
    assert later == pytest.approx(np.full(6, -0.1))


def select_state(schema, places):
    names = ('state_names', 'state_units', 'state_offset', 'state_scale')
    return dataclasses.replace(
        schema, **{name: tuple(getattr(schema, name)[i] for i in places) for name in names}
    )


def test_schedules():
    sigma = sigma_schedule('demos')
    assert (sigma(0), sigma(5000), sigma(10**9)) == pytest.approx((0.1, 0.075, 0.05))
    assert str(sigma) == PRESETS['demos']
    assert sigma_schedule('scratch', ' linear(0.4, 0.2, 100) ')(50) == pytest.approx(0.3)
    assert sigma_schedule('scratch', '0.25')(3) == 0.25
    for text in ('linear(1,2)', 'cosine(1,2,3)', '-1', 'nan', 'linear(0.1,0.2,0)', '5'):
        with pytest.raises(CellError, match='sigma'):
            sigma_schedule('scratch', text)
    with pytest.raises(CellError, match='start'):
        sigma_schedule('resume')


def test_another_rate_does_not_change_speeds_and_episode_length(schema):
    fast = make_task('grasp_lift', 'm', rate=30.0)
    assert fast.action_scale * fast.rate == pytest.approx(schema.action_scale * schema.rate)
    assert fast.gripper_step * fast.rate == pytest.approx(schema.gripper_step * schema.rate)
    assert fast.max_steps / fast.rate == schema.max_steps / schema.rate
    assert fast.hash != schema.hash


def test_the_length_of_an_episode_is_an_option_and_part_of_the_task():
    usual, long = TaskOptions(), TaskOptions(duration=25.0, rate=20.0)
    assert usual.schema().max_steps == 100 and long.schema().max_steps == 500
    assert usual.schema().differences(TaskOptions(duration=12.0).schema()) == [
        'max_steps: 100 here, 120 there'
    ]


@pytest.mark.parametrize('option', [{'rate': 0.5}, {'rate': 200.0}, {'frame_size': 8}])
def test_an_invalid_rate_or_frame_size_is_refused(option):
    with pytest.raises(CellError, match='is not between'):
        make_task('grasp_lift', 'm', **option)


@pytest.mark.parametrize(
    'field, value, sentence',
    [
        (
            'action_scales',
            [0.02, 0.03, 0.02, 0.2],
            'has the action dx:0.02,dy:0.03,dz:0.02,gripper:0.2, the task dx:0.02,dy:0.02,',
        ),
        ('action_names', ['dx', 'dy', 'droll', 'gripper'], 'droll:0.02,gripper:0.2, the task'),
        ('action_scales', [0.02], 'node with action:=dx:0.02,dy:0.02,dz:0.02,gripper:0.2'),
        ('box_min', (0.1, -0.1, 0.0), 'with box_min:=[0.1, -0.15, 0.0135]'),
        ('box_max', (0.3, 0.15, 0.25), 'has box_max [0.3, 0.15, 0.25], the task [0.35, 0.15'),
        ('model_hash', 'else', 'has model else, the task model; start both from one build'),
    ],
)
def test_an_fk_service_that_computes_other_actions_is_named_field_by_field(
    schema, field, value, sentence
):
    schema = dataclasses.replace(schema, model_hash='model')
    space = schema.action_space
    stated = SimpleNamespace(
        action_names=list(space.names),
        action_scales=list(space.scales),
        **{name: getattr(schema, name) for name in (*BOX, 'model_hash')},
    )
    require_same_kinematics(schema, stated)
    setattr(stated, field, value)
    with pytest.raises(CellError) as error:
        require_same_kinematics(schema, stated)
    assert sentence in str(error.value)


def test_the_kinematics_of_a_task_are_at_its_scales_and_in_its_box(schema):
    other = dataclasses.replace(schema, action_scale=0.01, box_max=(0.3, 0.1, 0.2))
    config = kinematics_config(other)
    assert config.action == ('dx:0.01', 'dy:0.01', 'dz:0.01', 'gripper:0.2')
    assert config.box_max == (0.3, 0.1, 0.2) and config.box_min == schema.box_min


def test_a_schema_with_scales_of_both_kinds_or_for_unknown_axes_is_refused(schema):
    with pytest.raises(CellError, match='action_scale and gripper_step must be 0'):
        dataclasses.replace(schema, action_scales=(0.02,) * 4)
    foreign = dataclasses.replace(schema, action_names=('dx', 'dyaw'), model_hash=model_hash())
    with pytest.raises(CellError, match='task grasp_lift: the action has the axes dx, dyaw'):
        kinematics_of(foreign)


def test_what_is_executed_is_clipped_and_a_discrete_gripper_closes_holds_or_opens(schema):
    given = np.array([[0.3, -2.0, 0.0, 0.4], [0.3, 5.0, 0.0, -0.6]])
    assert schema.executed(given).tolist() == [
        np.float32([0.3, -1.0, 0.0, 0.4]).tolist(),
        np.float32([0.3, 1.0, 0.0, -0.6]).tolist(),
    ]
    discrete = dataclasses.replace(schema, discrete_gripper=True)
    assert discrete.executed(given)[:, 3].tolist() == [0.0, -1.0]
    assert discrete.executed(given)[:, :3].tolist() == schema.executed(given)[:, :3].tolist()
