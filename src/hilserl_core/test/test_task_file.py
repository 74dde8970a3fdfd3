"""Task files: what is read, what is refused, what the hash covers, and the file of a new task."""

import json
from math import pi

import msgspec
import pytest

from hilserl_core.bags.cdr import task_from_cdr, task_to_cdr
from hilserl_core.contract.task import ResetPoint, TaskSchema
from hilserl_core.contract.task_file import TaskFile
from hilserl_core.contract.task_text import keys, table, template
from hilserl_core.contract.tasks import installed_tasks, make_task, read_task
from so101_description.action_space import ActionSpace
from so101_node.errors import CellError

# Bags and checkpoints of 0.2.0 have these hashes. If one changes, they cannot be used any more.
HASHES = {
    'grasp_lift': '54b23fd37e64f4377b04d6b8b377430684cc0ef98855802719466d39ad24bf9c',
    'grasp_lift_wide': '20bb5dbede7a54e7189529a24c43ee833c49c458ebbfa462bd4f43d45ae13319',
    'reach': 'bc48ae0d1b0b8cbff90da21b2fac044c4017ea7cdb2cea81330505bb075f227f',
}
SMALLEST = {
    'version': 1,
    'name': 'push',
    'instruction': 'push the cube',
    'cameras': {'wrist': {}},
}
SIM = {
    'scene': 'cube.xml',
    'place': {'cube': {'position': [0.25, 0.0, 0.0125]}},
    'success': [{'is': 'lifted', 'body': 'cube', 'by': 0.04}],
    'area': {'min': [0.1, -0.1], 'max': [0.3, 0.1]},
}


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / 'push.yaml'
        text = json.dumps(SMALLEST | changes)  # every JSON is YAML, but for its numbers
        path.write_text(text.replace('NaN', '.nan').replace('Infinity', '.inf'), encoding='utf-8')
        return str(path)

    return write


@pytest.mark.parametrize('name', sorted(HASHES))
def test_recordings_of_the_first_tasks_keep_their_hash(name):
    assert make_task(name, 'test-model').hash == HASHES[name]


def test_every_installed_task_is_valid_and_has_its_files_name():
    assert set(HASHES) <= set(installed_tasks())
    for name in installed_tasks():
        assert make_task(name, 'm').name == name


def test_a_task_is_found_by_name_or_path(write, monkeypatch, tmp_path):
    assert make_task(write(), 'm').name == 'push'
    monkeypatch.chdir(tmp_path)
    assert make_task('push.yaml', 'm') == make_task('./push.yaml', 'm')
    with pytest.raises(CellError, match=r"no task 'grasp_lit'; did you mean grasp_lift\?; the"):
        read_task('grasp_lit')
    with pytest.raises(CellError, match='cannot be read: No such file'):
        read_task('./juggle.yaml')


def test_each_key_reaches_the_schema(write):
    schema = make_task(
        write(
            rate=20.0,
            seconds=6,
            cameras={
                'front': {'height': 48, 'width': 96},
                'wrist': {'crop': {'top': 1, 'left': 2, 'height': 100, 'width': 90}},
            },
            state=['tool_position', 'joint_positions'],
            action={'dx': 0.01, 'dy': 0.01, 'dz': 0.01, 'gripper': 0.1},
            start={'position': [0.2, 0.01, 0.1], 'spread': 0.02, 'pitch': 45, 'roll': -90},
            box={'min': [0.15, -0.1, 0.02], 'max': [0.3, 0.1, 0.2]},
        ),
        'm',
        200,
        120,
    )
    front, wrist = schema.cameras
    assert (front.name, wrist.name) == ('front_camera', 'wrist_camera')
    assert front.shape == (48, 96, 3)
    assert (front.top, front.left, front.height, front.width) == (10, 0, 100, 200)
    assert (wrist.top, wrist.left, wrist.height, wrist.width) == (1, 2, 100, 90)
    assert (schema.rate, schema.max_steps) == (20.0, 120)
    assert schema.state_names[:4] == ('tool.x', 'tool.y', 'tool.z', 'shoulder_pan.position')
    assert len(schema.state_names) == len(schema.state_scale) == 9
    assert (schema.action_scale, schema.gripper_step) == (0.01, 0.1)
    assert (schema.start, schema.start_spread) == ((0.2, 0.01, 0.1), 0.02)
    assert (schema.pitch, schema.wrist_roll) == (pi / 4, -pi / 2)
    assert (schema.box_min, schema.box_max) == ((0.15, -0.1, 0.02), (0.3, 0.1, 0.2))


@pytest.mark.parametrize(
    'action, names, scales',
    [
        ({'dx': 0.01}, ('dx', 'dy', 'dz', 'gripper'), (0.01, 0.02, 0.02, 0.2)),
        ({'dz': 0, 'gripper': 0}, ('dx', 'dy'), (0.02, 0.02)),
        (
            {'droll': 0.1, 'dpitch': 0.05},
            ('dx', 'dy', 'dz', 'droll', 'dpitch', 'gripper'),
            (0.02, 0.02, 0.02, 0.1, 0.05, 0.2),
        ),
        (
            {'dx': 0, 'dy': 0, 'dz': 0, 'joints': {'wrist_roll': 0.1, 'shoulder_pan': 0.2}},
            ('shoulder_pan', 'wrist_roll', 'gripper'),
            (0.2, 0.1, 0.2),
        ),
    ],
)
def test_each_axis_of_an_action_has_its_own_scale(write, action, names, scales):
    schema = make_task(write(action=action), 'm')
    assert schema.action_space == ActionSpace(names, scales)
    assert [n for n in schema.state_names if n.startswith('previous.')] == [
        f'previous.{name}' for name in names
    ]
    stored = task_from_cdr(task_to_cdr(schema)).schema
    assert stored == schema and stored.hash == schema.hash
    fast = make_task(write(action=action), 'm', rate=20.0)
    assert fast.action_space.scales == tuple(scale / 2 for scale in scales)


def test_a_task_with_equal_scales_has_the_schema_of_before(write):
    text = make_task(write(action={'dx': 0.01, 'dy': 0.01, 'dz': 0.01}), 'm').canonical()
    assert '"action_scale":0.01' in text and '"gripper_step":0.2' in text
    assert 'action_scales' not in text and 'discrete' not in text
    discrete = make_task(write(action={'discrete_gripper': True}), 'm')
    assert discrete.discrete_gripper and discrete.hash != make_task(write(), 'm').hash


def test_another_instruction_or_scene_is_the_same_task(write):
    one, other = make_task(write(), 'm'), make_task(write(instruction='push it', sim=SIM), 'm')
    assert one == other and one.hash == other.hash and one.differences(other) == []
    stored = task_from_cdr(task_to_cdr(other)).schema
    assert stored.instruction == 'push it' and stored == one
    assert TaskSchema.from_json(one.canonical()).instruction == ''  # as bags before 0.3.0


@pytest.mark.parametrize(
    'changes, sentence',
    [
        ({'speed': 1}, 'unknown field'),
        ({'version': 2}, 'version'),
        ({'name': 'Push It'}, 'name: expected str matching'),
        ({'instruction': ''}, 'instruction: expected str of length >= 1'),
        ({'rate': 0.1}, 'rate: expected float >= 1'),
        ({'rate': float('nan')}, 'rate'),
        ({'cameras': {}}, 'cameras: expected object of length >= 1'),
        ({'cameras': {'Wrist': {}}}, 'cameras:=Wrist is no role'),
        ({'cameras': {'wrist': {'height': 2}}}, r'height: expected int >= 8'),
        (
            {'cameras': {'wrist': {'crop': {'top': 0, 'left': 0, 'height': 500, 'width': 9}}}},
            'camera wrist_camera: crop top 0 left 0 height 500',
        ),
        ({'state': ['tool_position']}, 'state has no joint_positions'),
        ({'state': ['joint_positions', 'tool_position', 'tool_position']}, 'a word twice'),
        ({'state': ['mood']}, 'state'),
        ({'action': {'dx': 0.2}}, 'action.dx: expected float <= 0.1'),
        ({'action': {'dyaw': 0.1}}, 'action: .*unknown field'),
        ({'action': {'dx': 0, 'dy': 0, 'dz': 0, 'gripper': 0}}, 'action moves nothing'),
        ({'action': {'gripper': 0, 'discrete_gripper': True}}, 'discrete_gripper, but gripper is'),
        (
            {'action': {'dx': 0, 'joints': {'elbow_flex': 0.1}}},
            'action has joints and dy 0.02, dz 0.02; set dx, dy, dz, droll and dpitch to 0',
        ),
        ({'start': {'position': [0.25, 0.0]}}, 'start.position'),
        ({'start': {'position': [0.25, 0.0, float('inf')]}}, 'inf, which is no number'),
        ({'start': {'position': [0.5, 0.0, 0.1]}}, 'task push: start x 0.5 .* not inside the box'),
        ({'sim': SIM | {'success': []}}, 'sim.success: expected array of length >= 1'),
        ({'sim': {k: v for k, v in SIM.items() if k != 'success'}}, 'sim: .*field success'),
        ({'sim': SIM | {'success': [{'is': 'happy', 'body': 'cube'}]}}, 'sim.success'),
        ({'sim': SIM | {'python': 'x'}}, 'unknown field'),
        ({'sim': SIM | {'skill': {'grasp': 'cub'}}}, "sim.skill names the body 'cub', which"),
        (
            {'sim': SIM | {'skill': {'grasp': 'cube', 'turn': True}}},
            'sim.skill.turn needs an axis that turns the wrist: action.droll',
        ),
        ({'sim': SIM | {'place': {'box': SIM['place']['cube']}}}, "sim.success names .* 'cube'"),
        ({'box': {'min': [0.4, -0.1, 0.1]}}, 'is not below box.max 0.35 m on x'),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(write, changes, sentence):
    with pytest.raises(CellError, match=sentence) as error:
        make_task(write(**changes), 'm')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'text, sentence',
    [
        ('', 'expected object, got null'),
        ('name: &a push\ninstruction: *a', 'has the alias'),
        ('a: !!python/object/apply:os.system [ls]', 'could not determine a constructor'),
        ('[' * 100, 'more than 64 levels'),
        ('#' * 200_000, 'over the limit'),
    ],
)
def test_a_hostile_file_is_refused(tmp_path, text, sentence):
    path = tmp_path / 'task.yaml'
    path.write_text(text)
    with pytest.raises(CellError, match=sentence):
        read_task(str(path))


def test_the_file_of_a_new_task_is_valid_and_has_the_defaults(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(template('mine'), encoding='utf-8')
    task = read_task(str(path))
    smallest = SMALLEST | {'name': 'mine', 'instruction': task.instruction}
    assert msgspec.structs.replace(task, sim=None) == msgspec.convert(smallest, TaskFile)
    assert task.sim == read_task('grasp_lift').sim


def test_each_key_is_described_once():
    paths = [key.path for key in keys()]
    assert len(paths) == len(set(paths)) and 'cameras.NAME.crop.top' in paths
    assert 'sim.success[on_top].within' in paths
    assert all(key.text for key in keys())
    assert all(f'`{path}`' in table() for path in paths)


def test_the_discount_is_a_hint_that_changes_no_hash(write):
    one, other = make_task(write(), 'm'), make_task(write(learning={'discount': 0.99}), 'm')
    assert (one.discount, other.discount) == (0.0, 0.99)
    assert one.hash == other.hash and one == other and 'discount' not in one.to_json()
    assert task_from_cdr(task_to_cdr(other)).schema.discount == 0.99
    with pytest.raises(CellError, match=r'learning.discount: expected float >= 0\.5'):
        make_task(write(learning={'discount': 0.1}), 'm')


def test_what_happens_between_episodes_is_stored_and_changes_no_hash(write):
    moves = [{'position': [0.2, 0.0, 0.1]}, {'position': [0.2, 0.05, 0.1], 'gripper': 0.5}]
    one, other = make_task(write(), 'm'), make_task(write(reset=moves), 'm')
    assert one == other and one.hash == other.hash and 'reset' not in one.to_json()
    stored = task_from_cdr(task_to_cdr(other)).schema
    assert stored.reset == (
        ResetPoint((0.2, 0.0, 0.1)),
        ResetPoint((0.2, 0.05, 0.1), 0.5),
    )
    with pytest.raises(CellError, match=r'reset position 1: z 0\.5 m is not inside the box'):
        make_task(write(reset=[{'position': [0.2, 0.0, 0.5]}]), 'm')
    with pytest.raises(CellError, match='gripper'):
        make_task(write(reset=[{'position': [0.2, 0.0, 0.1], 'gripper': 3.0}]), 'm')
