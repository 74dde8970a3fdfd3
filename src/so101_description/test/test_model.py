"""The MJCF compared with the measured arm: frames, inertias, servos, pads, tool, camera."""

import hashlib

import mujoco
import numpy as np
import pytest

from so101_description import model as model_module
from so101_description.joints import JOINTS, LOWER, REST, UPPER
from so101_description.model import MJCF_PATH, computed_hash, load_model, model_hash

# The measured arm. Joint: link, origin xyz (m) and rpy (rad) in the parent link.
FRAMES = {
    'shoulder_pan': (
        'shoulder_link',
        (0.0388353, -8.97657e-09, 0.0624),
        (3.14159, 4.18253e-17, -3.14159),
    ),
    'shoulder_lift': ('upper_arm_link', (-0.0303992, -0.0182778, -0.0542), (-1.5708, -1.5708, 0)),
    'elbow_flex': ('lower_arm_link', (-0.11257, -0.028, 1.73763e-16), (0, 0, 1.5708)),
    'wrist_flex': ('wrist_link', (-0.1349, 0.0052, 3.62355e-17), (0, 0, -1.5708)),
    'wrist_roll': ('gripper_link', (5.55112e-17, -0.0611, 0.0181), (1.5708, 0.0486795, 3.14159)),
    'gripper': ('moving_jaw_so101_v1_link', (0.0202, 0.0188, -0.0234), (1.5708, 0, 0)),
}
# Link: mass (kg), centre of mass (m), ixx ixy ixz iyy iyz izz (kg m^2).
INERTIAS = {
    'base_link': (
        0.147,
        (0.0137179, -5.19711e-05, 0.0334843),
        (0.000114686, -4.59787e-07, 4.97151e-06, 0.000136117, 9.75275e-08, 0.000130364),
    ),
    'shoulder_link': (
        0.100006,
        (-0.0307604, -1.66727e-05, -0.0252713),
        (8.3759e-05, 7.55525e-08, -1.16342e-06, 8.10403e-05, 1.54663e-07, 2.39783e-05),
    ),
    'upper_arm_link': (
        0.103,
        (-0.0898471, -0.00838224, 0.0184089),
        (4.08002e-05, -1.97819e-05, -4.03016e-08, 0.000147318, 8.97326e-09, 0.000142487),
    ),
    'lower_arm_link': (
        0.104,
        (-0.0980701, 0.00324376, 0.0182831),
        (2.87438e-05, 7.41152e-06, 1.26409e-06, 0.000159844, -4.90188e-08, 0.00014529),
    ),
    'wrist_link': (
        0.079,
        (-0.000103312, -0.0386143, 0.0281156),
        (3.68263e-05, 1.7893e-08, -5.28128e-08, 2.5391e-05, 3.6412e-06, 2.1e-05),
    ),
    'gripper_link': (
        0.087,
        (0.000213627, 0.000245138, -0.025187),
        (2.75087e-05, -3.35241e-07, -5.7352e-06, 4.33657e-05, -5.17847e-08, 3.45059e-05),
    ),
    'moving_jaw_so101_v1_link': (
        0.012,
        (-0.00157495, -0.0300244, 0.0192755),
        (6.61427e-06, -3.19807e-07, -5.90717e-09, 1.89032e-06, -1.09945e-07, 5.28738e-06),
    ),
}


@pytest.fixture(scope='module')
def model():
    return load_model()


def placed(model, *angles):
    data = mujoco.MjData(model)
    data.qpos[: len(angles)] = angles
    mujoco.mj_forward(model, data)
    return data


def rotation(rpy):
    """Convert fixed-axis roll, pitch, yaw to a matrix."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return (
        np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    )


def matrix(quaternion):
    flat = np.empty(9)
    mujoco.mju_quat2Mat(flat, quaternion)
    return flat.reshape(3, 3)


def test_joint_frames_equal_the_measured_ones(model):
    assert [model.joint(i).name for i in range(model.njnt)] == list(JOINTS)
    for name, (link, xyz, rpy) in FRAMES.items():
        joint, body = model.joint(name), model.body(link)
        assert joint.bodyid[0] == body.id
        assert np.allclose(body.pos, xyz, atol=1e-7), name
        assert np.allclose(matrix(body.quat), rotation(np.array(rpy)), atol=1e-5), name
        assert joint.axis.tolist() == [0, 0, 1] and joint.pos.tolist() == [0, 0, 0]


def test_limits_equal_the_joint_table(model):
    for name, low, high in zip(JOINTS, LOWER, UPPER):
        assert model.joint(name).range.tolist() == [low, high]
        assert np.allclose(model.actuator(name).ctrlrange, (low, high), atol=1e-12)


def test_inertias_equal_the_measured_ones(model):
    assert {model.body(i).name for i in range(1, model.nbody)} == set(INERTIAS)
    for link, (mass, com, (xx, xy, xz, yy, yz, zz)) in INERTIAS.items():
        body = model.body(link)
        assert body.mass[0] == mass
        assert np.allclose(body.ipos, com, atol=1e-12)
        axes = matrix(body.iquat)
        tensor = axes @ np.diag(body.inertia) @ axes.T
        assert np.allclose(tensor, [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], atol=1e-11), link


def test_servos_are_sts3215(model):
    for name in JOINTS:
        joint, servo = model.joint(name), model.actuator(name)
        dof = joint.dofadr[0]
        assert model.dof_damping[dof].tolist() in (0.60, [0.60, 0, 0])
        assert model.dof_frictionloss[dof] == 0.052 and model.dof_armature[dof] == 0.028
        assert servo.trnid[0] == joint.id
        kp, kv, force = (30, 0.5, 1.0) if name == 'gripper' else (998.22, 2.731, 2.94)
        assert servo.gainprm[0] == kp
        assert servo.biasprm[:3].tolist() == [0, -kp, -kv]
        assert servo.forcerange.tolist() == [-force, force]


def test_pads_grip(model):
    for name, body, centre, half in (
        ('fixed_pad', 'gripper_link', (-0.00675, -0.0002, -0.0972), (0.00525, 0.008, 0.0072)),
        (
            'moving_pad',
            'moving_jaw_so101_v1_link',
            (-0.01233, -0.07625, 0.0189),
            (0.0045, 0.006, 0.0072),
        ),
    ):
        pad = model.geom(name)
        assert model.body(pad.bodyid[0]).name == body
        assert np.allclose(pad.pos, centre) and np.allclose(pad.size, half)
        assert pad.friction[0] == 1.5 and pad.condim[0] == 4 and pad.contype[0] == 1


def test_gripper_opens_with_its_angle(model):
    """Compare the jaw's tip in the gripper link with measurements of the real jaw."""
    for angle, gap in ((-0.1745, 0.003), (0.0, 0.017), (0.5, 0.057), (1.0, 0.091)):
        data = placed(model, 0, 0, 0, 0, 0, angle)
        tip = data.body('gripper_link').xmat.reshape(3, 3).T @ (
            data.geom('moving_pad').xpos - data.site('tool').xpos
        )
        assert tip[0] == pytest.approx(gap, abs=0.009)


def test_tool_and_gripper_frame(model):
    data = placed(model)
    assert np.allclose(data.site('tool').xpos, (0.391361, -0.000009, 0.226470), atol=5e-6)
    tool = data.site('tool').xmat.reshape(3, 3)
    assert tool[:, 0] @ [1, 0, 0] > 0.998  # x = approach, forward at zero
    frame = data.site('gripper_frame_link')
    assert np.allclose(frame.xpos, data.site('tool').xpos)
    assert np.allclose(frame.xmat.reshape(3, 3)[:, 2], tool[:, 0])  # its z = approach


@pytest.mark.parametrize(
    'degrees, position',
    [
        ((0, 0, 0, 0, 0), (0.3914, 0.0000, 0.2265)),
        ((0, 0, 0, 90, 90), (0.2320, -0.0081, 0.0751)),
        ((1.23, 103.74, -85.41, -1.54, 92.70), (0.4539, -0.0170, -0.0206)),
    ],
)
def test_golden_forward_kinematics(model, degrees, position):
    tool = placed(model, *np.radians(degrees)).site('tool').xpos
    assert np.allclose(tool, position, atol=6e-5)


@pytest.mark.parametrize(
    'joint, moves, sign',
    [
        ('shoulder_pan', 1, -1),
        ('shoulder_lift', 2, -1),
        ('elbow_flex', 2, -1),
        ('wrist_flex', 2, -1),
    ],
)
def test_positive_angles_turn_right_and_down(model, joint, moves, sign):
    angles = np.zeros(6)
    angles[JOINTS.index(joint)] = 0.3
    before, after = placed(model), placed(model, *angles)
    change = after.site('tool').xpos - before.site('tool').xpos
    assert change[moves] * sign > 0.02


def test_wrist_camera_sees_both_finger_tips_and_no_site(model):
    camera = model.camera('wrist_camera')
    assert model.body(model.cam_bodyid[camera.id]).name == 'gripper_link'
    assert np.allclose(camera.pos, (0.008, -0.065, -0.019)) and camera.fovy[0] == 70.5
    data = placed(model, *REST[:5], 0.6)
    with mujoco.Renderer(model, 120, 160) as renderer:
        renderer.update_scene(data, 'wrist_camera')
        assert not any(
            g.objtype == mujoco.mjtObj.mjOBJ_SITE
            for g in renderer.scene.geoms[: renderer.scene.ngeom]
        )
        renderer.enable_segmentation_rendering()
        seen = renderer.render()[:, :, 0]
    for pad in ('fixed_pad', 'moving_pad'):
        assert (seen == model.geom(pad).id).sum() > 20, f'{pad} is out of view'


def test_the_rest_pose_needs_no_force_and_holds_without_torque():
    spec = mujoco.MjSpec.from_file(str(MJCF_PATH))
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], friction=[0.35, 0.005, 0.0001]
    )
    spec.option.timestep = 0.0025
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = data.ctrl[:] = REST
    for _ in range(400):
        mujoco.mj_step(model, data)
    assert np.abs(data.qpos - REST).max() < 0.01
    assert np.abs(data.actuator_force).max() < 0.6
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION
    for _ in range(2000):
        mujoco.mj_step(model, data)
    assert np.abs(data.qpos - REST).max() < 0.03


def test_the_hash_is_a_stable_sha256():
    assert model_hash() == model_hash() and len(bytes.fromhex(model_hash())) == 32


def test_the_stored_hash_is_that_of_the_model_in_the_present_file():
    file_hash = hashlib.sha256(MJCF_PATH.read_bytes()).hexdigest()
    assert file_hash == model_module.MJCF_SHA256, 'store the new hashes in model.py'
    assert computed_hash() == model_module.MODEL_HASH


def test_the_hash_of_a_changed_model_is_computed(tmp_path, monkeypatch):
    text = MJCF_PATH.read_text(encoding='utf-8')
    tool = 'name="tool" pos="'
    assert text.count(tool) == 1
    changed = tmp_path / 'so101.xml'
    start = text.index(tool) + len(tool)
    x, rest = text[start:].split(' ', 1)
    changed.write_text(f'{text[:start]}{float(x) + 0.001} {rest}', encoding='utf-8')
    for file in MJCF_PATH.parent.iterdir():
        if file.name != changed.name:
            (tmp_path / file.name).symlink_to(file)
    monkeypatch.setattr(model_module, 'MJCF_PATH', changed)
    model_hash.cache_clear()
    try:
        assert model_hash() != model_module.MODEL_HASH
    finally:
        model_hash.cache_clear()
