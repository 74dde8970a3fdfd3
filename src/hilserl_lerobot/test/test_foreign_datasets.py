"""Datasets that LeRobot recorded: what is imported, and one sentence for what is not."""

from lerobot_support.foreign import CAMERA, NAMES, degrees, motion, write
import numpy as np
import pytest

from hilserl_core.bags.episode_bag import Bag, find_bags
from hilserl_core.contract.steps import Outcome
from hilserl_core.contract.tasks import read_task
from hilserl_lerobot.importing import Given, import_dataset
from so101_description.joints import JOINTS
from so101_node.errors import CellError

DEGREES = Given(units='degrees', outcome='success')


def steps_of(directory, out, given=DEGREES):
    import_dataset(directory, read_task('reach'), out, given=given)
    (bag,) = find_bags(out)
    return Bag(bag).schema, list(Bag(bag).steps())


@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
@pytest.mark.parametrize('fps', [10, 30])
def test_joints_become_steps_at_the_tasks_rate(tmp_path, version, fps):
    rows = 6 * fps + 1
    write(tmp_path / 'dataset', version, fps=fps, rows=rows)
    schema, steps = steps_of(tmp_path / 'dataset', tmp_path / 'out')
    targets, measured = motion(rows, fps)
    each = fps // 10
    assert len(steps) == 61 and steps[-1].last and steps[-1].outcome == Outcome.SUCCESS
    assert [step.reward for step in steps[:-1]] == [0.0] * 59 + [1.0]
    places = [schema.state_names.index(f'{joint}.position') for joint in JOINTS]
    errors = [schema.state_names.index(f'{joint}.following_error') for joint in JOINTS]
    states = np.array([step.state for step in steps])
    assert np.abs(states[:, places] - measured[::each]).max() < 1e-5
    # the command in effect at an observation is that of the row before
    reference = np.vstack([measured[:1], targets[each - 1 : -1 : each]])
    assert np.abs(states[:, errors] - (reference - measured[::each])).max() < 1e-5
    gripper = schema.action_names.index('gripper')
    scale = schema.action_space.scales[gripper]
    expected = np.clip(np.diff(reference[:, 5]) / scale, -1, 1)
    actions = np.array([step.action for step in steps[:-1]])
    assert np.abs(actions[:, gripper] - expected).max() < 1e-4
    assert [int(step.images[0][5, 5, 0]) for step in steps] == list(range(0, rows, each))


def test_joints_are_found_by_name(tmp_path):
    order = [3, 1, 5, 0, 4, 2]
    names = [NAMES[i] for i in order]
    write(tmp_path / 'a')
    write(tmp_path / 'b', names=names, order=order)
    _, steps = steps_of(tmp_path / 'a', tmp_path / 'out-a')
    _, others = steps_of(tmp_path / 'b', tmp_path / 'out-b')
    for step, other in zip(steps, others, strict=True):
        assert np.array_equal(step.state, other.state)
        assert np.array_equal(step.action, other.action)


def test_old_zeros_are_converted(tmp_path):
    _, measured = motion(91, 30)
    old = degrees(measured) * [1, -1, 1, 1, 1, 1] + [0, 90, 90, 0, 0, 0]
    names = {'motors': [f'main_{joint}' for joint in JOINTS]}
    write(tmp_path / 'new', state=degrees(measured))
    write(tmp_path / 'old', 'v2.1', names=names, state=old, edit=_without_action_names)
    _, steps = steps_of(tmp_path / 'new', tmp_path / 'out-new')
    given = Given(units='degrees', outcome='success', joints=JOINTS)
    _, others = steps_of(tmp_path / 'old', tmp_path / 'out-old', given)
    assert np.allclose([s.state for s in steps], [s.state for s in others], atol=1e-5)


def _without_action_names(info):
    info['features']['action']['names'] = None


@pytest.mark.parametrize('success, outcome', [(True, Outcome.SUCCESS), (False, Outcome.FAILURE)])
def test_labels_of_a_dataset_are_used(tmp_path, success, outcome):
    write(tmp_path / 'dataset', success=success)
    _, steps = steps_of(tmp_path / 'dataset', tmp_path / 'out', Given(units='degrees'))
    assert steps[-1].outcome == outcome


def _moves_the_tool(info):
    names = ['delta_x_ee', 'delta_y_ee', 'delta_z_ee', 'gripper']
    info['features']['action'] = {'dtype': 'float32', 'shape': [4], 'names': names}


def test_actions_that_move_the_tool_are_computed_from_the_joints(tmp_path):
    write(tmp_path / 'dataset', edit=_moves_the_tool)
    report = import_dataset(
        tmp_path / 'dataset', read_task('reach'), tmp_path / 'out', given=DEGREES
    )
    assert any('computed from the joints' in note for note in report.notes)
    (gripper,) = report.gripper_from
    assert gripper.startswith("the follower's own joint")
    steps = list(Bag(find_bags(tmp_path / 'out')[0]).steps())
    assert min(np.abs(step.action[:3]).max() for step in steps[:-1]) > 0.01


def test_a_long_episode_without_a_label_has_no_outcome(tmp_path):
    write(tmp_path / 'dataset', rows=1801)  # longer than the task allows
    with pytest.raises(CellError, match='has no outcome'):
        steps_of(tmp_path / 'dataset', tmp_path / 'out', Given(units='degrees'))


def _other_names(change):
    return lambda info: info['features']['observation.state'].update(names=change)


def _no_camera(info):
    info['features']['observation.images.front'] = info['features'].pop(CAMERA)


REFUSED = {
    'a joint is missing': (
        {'names': [*NAMES[:5], 'thumb.pos']},
        'the joint gripper is missing; .thumb. is no joint',
    ),
    'seven motors': (
        {
            'names': [*NAMES, 'rail.pos'],
            'state': np.zeros((91, 7)),
        },
        'has 7 motors, an SO-101 has 6',
    ),
    'no names': ({'edit': _other_names(None)}, 'without names; give them with --joints'),
    'no camera': ({'edit': _no_camera}, 'has no observation.images.wrist for the camera wrist'),
    'NaN': ({'state': np.full((91, 6), np.nan)}, 'shoulder_pan of row 0 is nan'),
    'radians for degrees': ({'state': np.full((91, 6), 250.0)}, 'past its limit; name the right'),
    'another fps': ({'edit': lambda info: info.update(fps=25)}, 'correct fps in meta/info.json'),
    'too slow': ({'fps': 5}, 'has 5 rows a second, task reach needs 10'),
    'another version': ({'edit': lambda i: i.update(codebase_version='v1.6')}, "version 'v1.6'"),
    'a slash': (
        {'edit': lambda i: i['features'].update({'../x': i['features'][CAMERA]})},
        'has a slash',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_does_not_say_enough_is_refused_in_one_sentence(tmp_path, name):
    how, sentence = REFUSED[name]
    write(tmp_path / 'dataset', **how)
    with pytest.raises(CellError, match=sentence) as caught:
        steps_of(tmp_path / 'dataset', tmp_path / 'out')
    assert '\n' not in str(caught.value)
    assert not find_bags(tmp_path / 'out')


def test_units_and_outcomes_are_asked_for(tmp_path):
    write(tmp_path / 'dataset')
    with pytest.raises(CellError, match='does not say the units of its joints; add --units'):
        steps_of(tmp_path / 'dataset', tmp_path / 'out', Given())
    with pytest.raises(CellError, match='add --calibration FILE'):
        steps_of(tmp_path / 'dataset', tmp_path / 'out', Given(units='normalised'))
    with pytest.raises(CellError, match='has no outcome'):
        steps_of(tmp_path / 'dataset', tmp_path / 'out', Given(units='degrees'))


@pytest.mark.parametrize('file', ['data/chunk-000/file-000.parquet', 'meta/info.json'])
@pytest.mark.parametrize('cut', [0, 100, None])
def test_a_damaged_or_missing_file_is_named(tmp_path, file, cut):
    path = write(tmp_path / 'dataset') / file
    data = path.read_bytes()
    path.unlink()
    if cut is not None:
        path.write_bytes(data[:cut])
    with pytest.raises(CellError, match=path.name) as caught:
        steps_of(tmp_path / 'dataset', tmp_path / 'out')
    assert '\n' not in str(caught.value)
