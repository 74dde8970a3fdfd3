"""URDF, MJCF and joint table agree: frames, limits, masses, shapes."""

from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from so101_description.joints import JOINTS, LOWER, MAX_EFFORT, MAX_VELOCITY, REST, UPPER
from so101_description.model import URDF_PATH, load_model
from so101_node.names import BASE_FRAME, JOINT_COMMANDS, JOINT_STATES, TOOL_FRAME


def numbers(element, attribute, default='0 0 0'):
    text = default if element is None else element.get(attribute, default)
    return np.array([float(part) for part in text.split()])


def transform(origin):
    """Return the 4x4 transform of a URDF <origin> (None: identity)."""
    (cr, cp, cy) = np.cos(numbers(origin, 'rpy'))
    (sr, sp, sy) = np.sin(numbers(origin, 'rpy'))
    result = np.eye(4)
    result[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    result[:3, 3] = numbers(origin, 'xyz')
    return result


@pytest.fixture(scope='module')
def urdf():
    return ElementTree.parse(URDF_PATH).getroot()


@pytest.fixture(scope='module')
def model():
    return load_model()


def link_poses(urdf, angles):
    """Return the 4x4 transform of each link in base_footprint; joints turn about their z axis."""
    poses = {'base_footprint': np.eye(4)}
    for joint in urdf.iter('joint'):  # parents are written before children
        pose = poses[joint.find('parent').get('link')] @ transform(joint.find('origin'))
        if joint.get('type') == 'revolute':
            angle = angles[JOINTS.index(joint.get('name'))]
            turn = np.eye(4)
            turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            pose = pose @ turn
        poses[joint.find('child').get('link')] = pose
    return poses


def test_frames_agree(urdf, model):
    data = mujoco.MjData(model)
    worst = 0.0
    for angles in np.random.default_rng(7).uniform(LOWER, UPPER, (50, 6)):
        poses = link_poses(urdf, angles)
        data.qpos[:] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        frames = {model.body(i).name: (data.xpos[i], data.xmat[i]) for i in range(1, model.nbody)}
        for site in (TOOL_FRAME, 'gripper_frame_link'):
            frames[site] = data.site(site).xpos, data.site(site).xmat
        # MuJoCo's cameras look along -z with y up; optical frames along z with y down.
        frames['wrist_camera_optical_frame'] = (
            data.cam('wrist_camera').xpos,
            data.cam('wrist_camera').xmat.reshape(3, 3) * [1, -1, -1],
        )
        for name, (position, turn) in frames.items():
            worst = max(
                worst,
                np.abs(poses[name][:3, 3] - position).max(),
                np.abs(poses[name][:3, :3] - np.reshape(turn, (3, 3))).max(),
            )
        # the camera's own frame: x forward, z up in the image
        body = poses['wrist_camera'][:3, :3]
        optical = poses['wrist_camera_optical_frame'][:3, :3]
        assert np.allclose(body[:, 0], optical[:, 2]) and np.allclose(body[:, 2], -optical[:, 1])
    assert worst < 1e-6


def test_limits_equal_the_joint_table(urdf):
    revolute = [j for j in urdf.iter('joint') if j.get('type') == 'revolute']
    assert [j.get('name') for j in revolute] == list(JOINTS)
    for joint, low, high in zip(revolute, LOWER, UPPER):
        limit = joint.find('limit')
        assert [float(limit.get(k)) for k in ('lower', 'upper', 'effort', 'velocity')] == [
            low,
            high,
            MAX_EFFORT,
            MAX_VELOCITY,
        ]
        assert numbers(joint.find('axis'), 'xyz').tolist() == [0, 0, 1]


def test_masses_and_inertias_agree(urdf, model):
    with_mass = {
        link.get('name') for link in urdf.iter('link') if link.find('inertial') is not None
    }
    assert with_mass == {model.body(i).name for i in range(1, model.nbody)}
    for link in urdf.iter('link'):
        inertial = link.find('inertial')
        if inertial is None:
            continue
        body = model.body(link.get('name'))
        tensor = {k: float(v) for k, v in inertial.find('inertia').attrib.items()}
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, body.iquat)
        axes = axes.reshape(3, 3)
        inertia = axes @ np.diag(body.inertia) @ axes.T
        assert float(inertial.find('mass').get('value')) == body.mass[0]
        assert np.allclose(numbers(inertial.find('origin'), 'xyz'), body.ipos, atol=1e-12)
        for row, column, key in (
            (0, 0, 'ixx'),
            (0, 1, 'ixy'),
            (0, 2, 'ixz'),
            (1, 1, 'iyy'),
            (1, 2, 'iyz'),
            (2, 2, 'izz'),
        ):
            assert tensor[key] == pytest.approx(inertia[row, column], abs=1e-11), link.get('name')


def test_root_has_no_mass_and_every_link_one_parent(urdf):
    links = {link.get('name') for link in urdf.iter('link')}
    children = [j.find('child').get('link') for j in urdf.iter('joint')]
    assert links - set(children) == {'base_footprint'}
    assert len(children) == len(set(children)) and set(children) < links
    root = next(link for link in urdf.iter('link') if link.get('name') == 'base_footprint')
    assert len(root) == 0
    assert {BASE_FRAME, TOOL_FRAME, 'wrist_camera', 'wrist_camera_optical_frame'} <= links


def test_shapes_agree(urdf, model):
    """Each MJCF primitive is in the URDF, on the same link, with the same size and pose."""
    shapes = {}
    for link in urdf.iter('link'):
        for kind in ('visual', 'collision'):
            for element in link.iter(kind):
                shapes[kind, element.get('name')] = link.get('name'), element
    expected = set()
    for index in range(model.ngeom):
        geom = model.geom(index)
        kinds = (['visual'] if geom.group[0] == 2 else []) + (
            ['collision'] if geom.contype[0] else []
        )
        for kind in kinds:
            expected.add((kind, geom.name))
            link, element = shapes[kind, geom.name]
            assert link == model.body(geom.bodyid[0]).name
            place = transform(element.find('origin'))
            turn = np.empty(9)
            mujoco.mju_quat2Mat(turn, geom.quat)
            assert np.allclose(place[:3, 3], geom.pos, atol=1e-9), geom.name
            assert np.allclose(place[:3, :3], turn.reshape(3, 3), atol=1e-9), geom.name
            shape = element.find('geometry')[0]
            if geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX:
                assert np.allclose(numbers(shape, 'size'), 2 * geom.size), geom.name
            else:
                assert np.allclose(
                    [float(shape.get('radius')), float(shape.get('length'))],
                    [geom.size[0], 2 * geom.size[1]],
                ), geom.name
    assert expected == set(shapes)


def test_the_tags_of_ros2_control_have_the_joints_and_limits_of_the_table():
    """so101.urdf.xacro, as MoveIt and ros2_control read it, includes so101.urdf."""
    xacro = '{http://www.ros.org/wiki/xacro}'
    root = ElementTree.parse(URDF_PATH.with_name('so101.urdf.xacro')).getroot()
    assert root.find(f'{xacro}include').get('filename') == URDF_PATH.name
    joints = root.findall(f'ros2_control/{xacro}controlled')
    assert tuple(joint.get('name') for joint in joints) == JOINTS
    for attribute, table in (('lower', LOWER), ('upper', UPPER), ('initial', REST)):
        assert [float(joint.get(attribute)) for joint in joints] == list(table)
    plugins = {element.text for element in root.iter('plugin')}
    assert plugins == {
        'mock_components/GenericSystem',
        'joint_state_topic_hardware_interface/JointStateTopicSystem',
    }
    topics = {p.get('name'): p.text for p in root.iter('param') if 'topic' in p.get('name', '')}
    for name, topic in (
        ('joint_commands_topic', JOINT_COMMANDS),
        ('joint_states_topic', JOINT_STATES),
    ):
        given = topics[name].replace('$(arg namespace)/', '').replace('$(arg arm)', '{arm}')
        assert given == topic
