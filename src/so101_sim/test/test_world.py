"""The simulated bench: arm, cube and camera image."""

import math

import numpy as np
import pytest
from sim_support import in_the_middle

from so101_description.joints import JOINT_LIMITS, REST
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError
from so101_sim.leader import Leader
from so101_sim.world import CameraRenderer, World, camera_matrix

START = np.array([0.25, 0.0, 0.07])
SEED = np.array([0.0, -0.2, 0.6, 1.2, 0.0, 0.5])
CUBE_CENTRE, CUBE_HALF = (0.25, 0.0), 0.0125
ONE_PLACE = in_the_middle('grasp_lift')
kinematics = Kinematics()


def over(position, gripper=0.6):
    return kinematics.solve(position, math.pi / 2, 0.0, gripper, SEED).q


def test_the_arm_stays_at_rest_without_torque():
    world = World()
    world.step(1200)
    assert np.abs(world.joints()[0] - REST)[:5].max() < 0.1
    assert np.abs(world.joints()[1]).max() < 0.02


def test_joints_reach_their_goals_within_the_speed_limit():
    world = World()
    world.place_arm(over(START))
    world.drive.goal = over(START + [0.0, 0.05, 0.05])
    world.drive.speed = np.full(6, 0.5)
    fastest = 0.0
    for _ in range(300):
        world.step(2)
        fastest = max(fastest, np.abs(world.joints()[1]).max())
    assert np.abs(world.joints()[0] - world.drive.goal).max() < 0.02
    assert 0.4 < fastest < 0.9
    # physics and kinematics agree on the tool position
    assert np.allclose(kinematics.tool_pose(world.joints()[0])[0], world.tool_position, atol=1e-6)


def test_an_arm_without_torque_or_with_a_low_torque_limit_falls():
    world = World()
    world.place_arm(over(START))
    world.drive.torque_on = np.zeros(6, bool)
    world.step(400)
    assert world.tool_position[2] < START[2] - 0.03
    weak = World()
    weak.place_arm(over(START))
    weak.drive.torque = np.full(6, 0.02)
    weak.step(400)
    assert weak.tool_position[2] < START[2] - 0.03


def test_placements_repeat_with_the_same_seed_and_fill_the_area():
    one, other = World(3), World(3)
    places = []
    for _ in range(40):
        one.place_bodies()
        other.place_bodies()
        assert np.array_equal(one.pose('cube')[0], other.pose('cube')[0])
        places.append(one.pose('cube')[0][:2] - CUBE_CENTRE)
    assert np.abs(places).max() <= 0.04
    assert (np.ptp(places, axis=0) > 0.06).all()


def test_a_placement_depends_on_its_number_and_situations_repeat():
    def poses(world, count):
        found = []
        for _ in range(count):
            world.place_bodies()
            found.append(np.concatenate(world.pose('cube')))
        return np.array(found)

    all_five = poses(World(3), 5)
    assert len(np.unique(all_five[:, 0])) == 5
    assert np.array_equal(poses(World(3, placements=2), 3), all_five[2:])  # a resumed evaluation
    assert np.array_equal(poses(World(3, placements=1, situations=5), 6)[4:], all_five[:2])


def test_the_cube_is_not_placed_where_the_arm_is():
    world = World(scene=ONE_PLACE)
    world.place_arm(over([0.25, 0.0, 0.02], gripper=0.3))
    before = world.pose('cube')[0]
    with pytest.raises(CellError, match='in the way'):
        world.place_bodies()
    assert np.array_equal(world.pose('cube')[0], before)


def test_a_cube_on_the_table_is_no_success_and_one_in_the_air_is():
    world = World()
    world.place_bodies()
    world.step(100)
    assert not world.success
    assert abs(world.pose('cube')[0][2] - CUBE_HALF) < 0.001
    world.data.qpos[world.model.joint('cube').qposadr[0] + 2] = CUBE_HALF + 0.045
    assert world.success


def lifted_cube(gripper):
    """Return a world in which the arm has closed to `gripper` around the cube and moved up."""
    world = World(scene=ONE_PLACE)
    around = over([0.2275, 0.0, 0.016])
    world.place_arm(around)
    world.drive.goal = np.append(around[:5], gripper)
    world.step(600)
    world.drive.speed = np.full(6, 0.8)
    world.drive.goal = over([0.2275, 0.0, 0.12], gripper)
    world.step(600)
    return world


@pytest.mark.parametrize('grip, holds', [(1.0, True), (0.0, False)])
def test_only_the_grip_holds_the_cube(grip, holds):
    """Pull the cube with 8 N; without torque, the gears' friction still holds a little."""
    world = lifted_cube(-0.17)
    assert world.success
    world.drive.torque = np.array([1, 1, 1, 1, 1, grip])
    world.step(400)
    world.data.xfrc_applied[world.model.body('cube').id, 2] = -8.0
    world.step(400)
    assert world.success == holds


def test_a_loose_grip_leaves_the_cube_on_the_table():
    assert not lifted_cube(0.3).success


def test_the_cube_is_in_the_image_from_every_start_pose():
    world, rng = World(1), np.random.default_rng(1)
    renderer = CameraRenderer(world)
    for _ in range(40):
        world.place_arm(over(START + rng.uniform(-0.01, 0.01, 3)))
        world.place_bodies()
        image = renderer.render()[:, 20:140].astype(int)  # the crop of the task
        blue = (image[..., 2] > image[..., 0] + 40).sum()
        assert blue > 15, world.pose('cube')  # at the edge of the area, only a corner of the cube
    assert image.shape == (120, 120, 3)
    renderer.close()


def test_the_image_agrees_with_the_camera_matrix():
    world = World(2)
    world.place_arm(over([0.22, 0.03, 0.1]))
    renderer = CameraRenderer(world, width=320, height=240)
    image = renderer.render().astype(int)
    renderer.close()
    rows, columns = np.nonzero(image[..., 2] > image[..., 0] + 40)
    camera = world.data.camera('wrist_camera')
    at = camera.xmat.reshape(3, 3).T @ (world.pose('cube')[0] - camera.xpos)
    k = np.reshape(camera_matrix(world.model, 'wrist_camera', 320, 240), (3, 3))
    u, v, w = k @ [at[0], -at[1], -at[2]]  # MuJoCo's cameras look along -z, y up
    assert abs(u / w - columns.mean()) < 6 and abs(v / w - rows.mean()) < 6


@pytest.mark.parametrize('limits', ['model', 'contact'])
def test_joints_and_leader_stop_at_the_chosen_limits(limits):
    world = World(joint_limits=limits)
    upper = JOINT_LIMITS[limits][1]
    goal = np.array([3.0, 0.0, 0.0, 0.0, 0.0, 0.5])
    start = np.array([1.8, 0.0, 0.0, 0.0, 0.0, 0.5])
    world.place_arm(start)
    world.drive.torque_on, world.drive.goal = np.ones(6, bool), goal
    world.step(400)
    assert world.joints()[0][0] == pytest.approx(upper[0], abs=0.03)
    leader = Leader(world.joint_limits)
    leader.pull(goal)
    for _ in range(400):
        leader.step(0.005, np.zeros(6, bool), leader.position, np.ones(6))
    assert leader.position[0] == upper[0]
