"""Scenes that a task file describes: bodies, placements, looks and the conditions of success."""

import json
import math

import numpy as np
import pytest

from hilserl_core.contract.tasks import make_task
from so101_description.model import model_hash
from so101_node.errors import CellError
from so101_node.shared_options import HELD_OUT
from so101_sim.scene import scene_of
from so101_sim.scene_check import scene_problems
from so101_sim.world import World
from so101_sim.worlds import find_world

SCENE = """
<mujoco model="mine">
  <include file="so101.xml"/>
  <include file="table.xml"/>
  <asset><material name="red" rgba="1 0 0 1"/></asset>
  <worldbody>
    <body name="can" pos="0.25 0 0.02">
      <freejoint/>
      <geom type="cylinder" size="0.015 0.02" mass="0.03" material="red"/>
    </body>
    <body name="brick" pos="0.25 0.1 0.01">
      <freejoint/>
      <geom type="box" size="0.02 0.02 0.01" mass="0.03"/>
    </body>
    <body name="spot" pos="0.2 -0.1 0">
      <geom type="box" size="0.03 0.03 0.0005" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
</mujoco>
"""
PLACE = {
    'can': {'position': [0.25, 0.0, 0.02], 'spread': [0.05, 0.05]},
    'brick': {'position': [0.25, 0.02, 0.01], 'spread': [0.05, 0.05], 'yaw_spread': 45},
    'spot': {'position': [0.2, -0.1, 0.0], 'spread': [0.02, 0.0], 'yaw': 90},
}
IN_AIR = {'is': 'lifted', 'body': 'can', 'by': 0.05}


@pytest.fixture
def write(tmp_path):
    def write(mjcf=SCENE, **changes):
        (tmp_path / 'mine.xml').write_text(mjcf, encoding='utf-8')
        sim = {
            'scene': 'mine.xml',
            'place': PLACE,
            'success': [IN_AIR],
            'area': {'min': [0.1, -0.2], 'max': [0.4, 0.2]},
            'skill': {'grasp': 'can', 'onto': 'spot'},
        }
        task = {
            'version': 1,
            'name': 'mine',
            'instruction': 'lift the can',
            'cameras': {'wrist': {}},
            'sim': sim | changes,
        }
        path = tmp_path / 'mine.yaml'
        path.write_text(json.dumps(task), encoding='utf-8')
        return str(path)

    return write


def test_a_scene_of_ones_own_is_placed_at_random_and_repeats(write):
    one, other = (World(3, scene_of(write(apart=0.05))) for _ in range(2))
    places = []
    for _ in range(15):
        one.place_bodies(200)
        other.place_bodies(200)
        for name in PLACE:
            assert np.array_equal(np.concatenate(one.pose(name)), np.concatenate(other.pose(name)))
        can, brick, spot = (one.pose(name)[0] for name in PLACE)
        assert math.dist(can[:2], brick[:2]) >= 0.05
        places.append([*can[:2], *spot[:2]])
    spread = np.ptp(places, axis=0)
    assert spread[:2].min() > 0.05 and 0.01 < spread[2] < 0.04 and spread[3] == 0.0
    assert (one.grasped, one.target) == ('can', 'spot')


def put(world, name, position, speed=0.0):
    joint = world.model.jnt_qposadr[world.model.body(name).jntadr[0]]
    world.data.qpos[joint : joint + 3] = position
    world.data.qvel[world.model.body(name).dofadr[0]] = speed
    world.step(1)


ABOVE = [0.25, 0.1, 0.12]


@pytest.mark.parametrize(
    'condition, yes, no',
    [
        (IN_AIR, ABOVE, [0.25, 0.0, 0.04]),
        ({'is': 'near', 'body': 'can', 'to': 'brick', 'within': 0.15}, ABOVE, [0.1, 0.3, 0.1]),
        (
            {'is': 'inside', 'body': 'can', 'min': [0.2, 0.05, 0.1], 'max': [0.3, 0.15, 0.2]},
            ABOVE,
            [0.25, 0.0, 0.12],
        ),
        (  # the spot is turned by 90 degrees: its x is y of base_link
            {
                'is': 'inside',
                'body': 'can',
                'of': 'spot',
                'min': [0.02, -0.01, 0],
                'max': [0.04, 0.01, 1],
            },
            [0.2, -0.07, 0.12],
            [0.23, -0.1, 0.12],
        ),
        (
            {'is': 'on_top', 'body': 'can', 'of': 'brick', 'within': 0.01},
            [0.25, 0.02, 0.0399],
            [0.25, 0.02, 0.06],
        ),
        (
            {'is': 'on_top', 'body': 'can', 'of': 'brick', 'within': 0.005},
            [0.252, 0.02, 0.0399],
            [0.262, 0.02, 0.0399],
        ),
        (
            {'is': 'touching', 'body': 'can', 'other': 'brick'},
            [0.25, 0.02, 0.0399],
            [0.25, -0.1, 0.02],
        ),
    ],
)
def test_each_condition_holds_where_it_should_and_nowhere_else(write, condition, yes, no):
    world = World(scene=scene_of(write(success=[condition])))
    put(world, 'can', yes)
    assert world.success
    put(world, 'can', no)
    assert not world.success


def test_a_body_is_still_if_it_does_not_move_and_released_if_the_arm_does_not_touch_it(write):
    world = World(scene=scene_of(write(success=[{'is': 'still', 'body': 'can', 'speed': 0.1}])))
    assert world.success
    put(world, 'can', [0.25, 0.0, 0.2], speed=0.5)
    assert not world.success
    world = World(scene=scene_of(write(success=[{'is': 'released', 'body': 'can'}])))
    assert world.success
    put(world, 'can', world.tool_position + [0.0, 0.0, 0.02])
    assert not world.success


def test_the_conditions_must_hold_together_and_for_the_time_of_the_task(write):
    still = {'is': 'still', 'body': 'brick', 'speed': 0.05}
    world = World(scene=scene_of(write(success=[IN_AIR, still], hold=0.1)))
    world.model.opt.gravity[:] = 0.0
    put(world, 'can', ABOVE)
    world.step(20)
    assert not world.success  # 0.05 s
    world.step(2)
    for _ in range(20):
        world.step(2)
    assert world.success
    put(world, 'brick', [0.25, -0.1, 0.1], speed=0.5)
    assert not world.success
    put(world, 'brick', [0.25, -0.1, 0.1])
    assert not world.success  # the time begins again


def test_colours_light_and_cameras_differ_between_episodes(write):
    colours = {'red': [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    world = World(scene=scene_of(write(colours=colours, light=0.3, camera_jitter=3.0)))
    seen = []
    for _ in range(12):
        world.place_bodies(200)
        model = world.model
        seen.append((*model.mat('red').rgba, model.light_diffuse[0][0], *model.cam_quat[0]))
    assert len({each[:3] for each in seen}) == 3
    assert len({each[4] for each in seen}) == 12
    straight = np.array(World(scene=scene_of(write())).model.cam_quat[0])
    turned = [2 * math.degrees(math.acos(min(1.0, abs(straight @ each[5:])))) for each in seen]
    assert 0.5 < max(turned) <= 3.001  # it does not add up


def test_a_task_may_have_distractors_of_its_own(write):
    world = World(scene=scene_of(write(distractors=2)))
    places = []
    for _ in range(3):
        world.place_bodies(200)
        places.append([world.data.body(f'distractor_{i}').xpos.tolist() for i in range(2)])
    area = world.simulation.area
    for x, y, _ in np.concatenate(places):
        assert area.min[0] - 0.05 < x < area.max[0] + 0.05 and abs(y) < area.max[1] + 0.05
    assert len({tuple(each[0]) for each in places}) == 3
    beside = World(scene=scene_of(write(distractors=2)), conditions=find_world(HELD_OUT))
    assert beside.model.body('distractor_4').id and world.model.nbody == beside.model.nbody - 3


@pytest.mark.parametrize(
    'mjcf, changes, sentence',
    [
        ('<mujoco/>', {}, 'has no joint shoulder_pan; include so101.xml'),
        ('no xml', {}, 'mine.xml: '),
        (SCENE, {'scene': 'yours.xml'}, 'yours.xml cannot be read'),
        (SCENE.replace('"spot"', '"dot"'), {}, "no body 'spot', which the task names"),
        (
            SCENE.replace('<include file="table.xml"/>', ''),
            {},
            'timestep of 2 ms, the simulated cell 2.5; include table.xml',
        ),
        (SCENE, {'colours': {'blue': []}}, "no material 'blue'"),
    ],
    ids=['no arm', 'no xml', 'no file', 'no body', 'no table', 'no material'],
)
def test_a_wrong_scene_is_refused_in_one_sentence(write, mjcf, changes, sentence):
    with pytest.raises(CellError, match=sentence) as error:
        World(scene=scene_of(write(mjcf, **changes)))
    assert '\n' not in str(error.value)


def test_the_check_of_a_task_names_what_its_scene_makes_impossible(write):
    def problems(**changes):
        path = write(**changes)
        return scene_problems(path, make_task(path, model_hash()))

    assert problems() == []
    (line,) = problems(success=[{'is': 'lifted', 'body': 'can', 'by': -1.0}])
    assert 'success is reached before anything was done' in line
    in_the_way = {'can': {'position': [0.25, 0.0, 0.08]}}
    (line,) = problems(place=PLACE | in_the_way)
    assert 'the arm at its start pose touches a body' in line


def test_a_task_without_a_success_is_refused(write, tmp_path):
    path = tmp_path / 'real.yaml'
    path.write_text('version: 1\nname: real\ninstruction: x\ncameras: {wrist: {}}\n')
    with pytest.raises(CellError, match='has no key sim, so the simulated cell cannot run it'):
        scene_of(str(path))
    with pytest.raises(CellError, match='length >= 1'):
        scene_of(write(success=[]))
