"""Each condition of a world has its effect; the plain world has none."""

import math

import numpy as np
import pytest
from sim_support import in_the_middle

from so101_description.joints import REST
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError
from so101_sim import sts3215
from so101_sim.plant import PERIOD, Plant
from so101_sim.scene import scene_of
from so101_sim.world import CameraRenderer, World
from so101_sim.worlds import WORLDS, Conditions, find_world

SEED = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
START = Kinematics().solve([0.25, 0.0, 0.07], math.pi / 2, 0.0, 0.6, SEED).q


def rendered(conditions, placements=1, seed=0):
    """Return images of the wrist camera at the start pose, one per placement."""
    world = World(seed, conditions=conditions)
    world.place_arm(START)
    renderer, images = CameraRenderer(world), []
    for _ in range(placements):
        world.place_bodies()
        images.append(renderer.render().astype(float))
    renderer.close()
    return np.array(images)


def plant(tmp_path, **conditions):
    world = World(conditions=Conditions(**conditions))
    return Plant(world, {arm: str(tmp_path / arm) for arm in ('follower', 'leader')})


def order(plant, joint, angle):
    """Command one servo of the follower to move by `angle` rad."""
    servo = plant.arms['follower'].servos[joint]
    ticks = servo.present_position + round(angle * sts3215.TICKS_PER_TURN / (2 * math.pi))
    servo.write(sts3215.GOAL_POSITION, ticks.to_bytes(2, 'little'))


@pytest.mark.parametrize('find, wrong', [(find_world, 'moon'), (scene_of, 'juggle')])
def test_the_error_of_an_unknown_name_lists_the_known_ones(find, wrong):
    with pytest.raises(CellError, match='plain|grasp_lift'):
        find(wrong)


def test_the_plain_world_delivers_the_image_as_rendered():
    plain = rendered(WORLDS['plain'], 2)
    assert np.array_equal(plain, rendered(Conditions(), 2))
    assert 60 < plain.mean() < 220


@pytest.mark.slow
def test_light_differs_between_episodes_and_repeats_with_the_seed():
    hard = rendered(WORLDS['hard'], 8)
    assert np.array_equal(hard, rendered(WORLDS['hard'], 8))
    brightness = hard.mean((1, 2, 3)) / rendered(WORLDS['plain'], 8).mean((1, 2, 3))
    assert brightness.std() > 0.05
    colour = hard.mean((1, 2)) / hard.mean((1, 2, 3))[:, None]
    assert colour.std(0).max() > 0.02


def test_pixel_noise_differs_between_images():
    world = World(conditions=Conditions(pixel_noise=4.0))
    world.place_arm(START)
    renderer = CameraRenderer(world)
    difference = renderer.render().astype(float) - renderer.render()
    renderer.close()
    assert difference.std() == pytest.approx(4.0 * math.sqrt(2), rel=0.15)


def test_a_tilted_camera_moves_the_cube_in_the_image():
    def row(image):
        return np.nonzero(image[..., 2] > image[..., 0] + 40)[0].mean()

    straight, tilted = (rendered(Conditions(camera_tilt=tilt))[0] for tilt in (0.0, 5.0))
    # 120 rows for 70.5 degrees, and some perspective
    assert 5.0 < abs(row(tilted) - row(straight)) < 14.0


def test_a_motor_moves_after_the_latency(tmp_path):
    moved = {}
    for latency in (0.0, 0.08):
        bench = plant(tmp_path, latency=latency)
        order(bench, 0, 0.0)
        for _ in range(40):
            bench.step()
        order(bench, 0, 0.2)
        times = 0
        while abs(bench.world.joints()[0][0] - REST[0]) < 0.02:
            bench.step()
            times += 1
            assert times < 200
        moved[latency] = times * PERIOD
    assert moved[0.08] - moved[0.0] == pytest.approx(0.08, abs=0.011)


def test_a_calibration_error_moves_the_joint_but_not_the_reading(tmp_path):
    true, wrong = plant(tmp_path), plant(tmp_path, offset=3.0, offset_joint='shoulder_pan')
    for bench in (true, wrong):
        order(bench, 0, 0.2)
        for _ in range(200):
            bench.step()
    angle = true.world.joints()[0][0] - wrong.world.joints()[0][0]
    assert math.degrees(angle) == pytest.approx(3.0, abs=0.3)
    shown = [b.arms['follower'].servos[0].present_position for b in (true, wrong)]
    assert abs(shown[0] - shown[1]) <= 3  # ticks: both servos report the commanded position


def test_with_low_friction_the_gripper_loses_a_cube_that_it_holds_otherwise():
    kinematics = Kinematics()

    def holds(friction):
        scene = in_the_middle('grasp_lift')
        world = World(scene=scene, conditions=Conditions(friction=friction))
        world.place_arm(kinematics.solve([0.2275, 0, 0.016], math.pi / 2, 0.0, 0.6, SEED).q)
        world.drive.goal = np.append(world.joints()[0][:5], -0.17)
        world.step(600)
        world.drive.speed = np.full(6, 0.8)
        world.drive.goal = kinematics.solve([0.2275, 0, 0.12], math.pi / 2, 0.0, -0.17, SEED).q
        world.step(600)
        lifted = world.success
        world.data.xfrc_applied[world.model.body('cube').id, 2] = -16.0
        world.step(400)
        return lifted, world.success

    assert holds(1.0) == (True, True)
    assert holds(0.3)[1] is False


def test_reach_succeeds_with_the_finger_at_the_cube_but_not_above_it():
    world = World(scene=in_the_middle('reach'))
    world.place_arm(START)
    assert not world.success
    world.place_arm(Kinematics().solve([0.228, 0.0, 0.02], math.pi / 2, 0.0, 0.6, SEED).q)
    assert world.success


def test_the_wide_task_places_the_cube_in_a_larger_area_with_any_yaw():
    world = World(scene=scene_of('grasp_lift_wide'))
    poses = []
    for _ in range(60):
        world.place_bodies()
        position, quaternion = world.pose('cube')
        poses.append([*position[:2], 2 * math.atan2(quaternion[3], quaternion[0])])
    x, y, yaw = np.ptp(poses, axis=0)
    assert min(x, y) > 0.14 and yaw > 1.4


HELD_OUT = WORLDS['hold_out']


def held_out(task, placements):
    """Yield a world with distractors after each placement."""
    world = World(3, scene_of(task), HELD_OUT)
    world.place_arm(START)
    for _ in range(placements):
        world.place_bodies()
        yield world


@pytest.mark.parametrize('task', ['grasp_lift_wide', 'pick_place', 'stack', 'insert'])
def test_distractors_lie_beside_the_bodies_and_look_unlike_them(task):
    for world in held_out(task, 20):
        model, at = world.model, world.data.xpos
        placed = [model.body(name).id for name in world.simulation.place]
        ours = [model.body(f'distractor_{i}').id for i in range(HELD_OUT.distractors)]
        for body in ours:
            apart = np.linalg.norm(at[[*placed, *ours], :2] - at[body, :2], axis=1)
            assert np.sort(apart)[1] > 0.045
            colour = model.geom_rgba[model.body_geomadr[body], :3]
            of = model.geom_matid[model.body_geomadr[placed]]
            assert np.linalg.norm(model.mat_rgba[of, :3] - colour, axis=1).min() > 0.4
        before = at[ours].copy()
        world.step(100)
        assert np.abs(at[ours] - before).max() < 0.002  # they rest where they were put


@pytest.mark.slow
def test_the_held_out_world_has_other_looks_in_each_episode_and_repeats_with_the_seed():
    looks = rendered(HELD_OUT, 4)
    assert np.array_equal(looks, rendered(HELD_OUT, 4))
    plain = rendered(WORLDS['plain'], 4)
    assert (np.abs(looks - plain).mean((1, 2, 3)) > 3.0).all()
    assert np.abs(looks.mean((1, 2)) - looks.mean((0, 1, 2))).max() > 5.0


def test_the_poses_of_the_bodies_are_those_of_the_other_worlds():
    poses = []
    for conditions in (HELD_OUT, WORLDS['plain']):
        world = World(3, scene_of('stack'), conditions)
        for _ in range(3):
            world.place_bodies()
        poses.append([np.concatenate(world.pose(name)) for name in ('cube', 'base')])
    assert np.allclose(*poses)


def test_the_task_can_be_done_beside_the_distractors():
    """Each cube can be reached: the jaw's way down touches no distractor."""
    for world in held_out('grasp_lift', 10):
        cube = world.pose('cube')[0]
        world.place_arm(
            Kinematics().solve([*(cube[:2] - (0.021, 0.0)), 0.016], math.pi / 2, 0.0, 0.6, SEED).q
        )
        touching = world.model.geom_bodyid[world.data.contact.geom[: world.data.ncon]]
        ours = [world.model.body(f'distractor_{i}').id for i in range(HELD_OUT.distractors)]
        arm = np.flatnonzero(world.model.body_rootid == world.model.body('base_link').id)
        both = np.isin(touching, ours).any(-1) & np.isin(touching, arm).any(-1)
        assert not both.any()
