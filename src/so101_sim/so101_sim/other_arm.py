"""Another model of the arm in a scene: it gets the tool frame and the wrist camera of ours.

Actions are computed with our kinematics, so such an arm must have the same. Its joints and
actuators have the names of ours; the names of its bodies are its own.
"""

import mujoco
import numpy as np

from so101_description.joints import JOINTS, LOWER, UPPER, Floats
from so101_description.model import load_model
from so101_node.errors import CellError
from so101_node.names import TOOL_FRAME, WRIST_CAMERA

HAND = 'wrist_roll'  # this joint moves what has the tool and the camera
MAX_ERROR = 0.001  # m between the tools of both arms
_HIDDEN = 4  # group of sites that no camera shows


def add_mounts(spec: mujoco.MjSpec, model: mujoco.MjModel) -> None:
    """Add the tool frame and the wrist camera where the arm has none. model: of the spec.

    CellError if the arm's kinematics are not ours.
    """
    ours = load_model()
    hand = model.body(model.joint(HAND).bodyid[0]).name
    ours_at, theirs_at = _at(ours, np.zeros(6)), _at(model, np.zeros(6))
    origin, turn = _frame(theirs_at, hand)

    def seen_from_hand(position: Floats, rotation: Floats) -> tuple[Floats, Floats]:
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, (turn.T @ rotation.reshape(3, 3)).ravel())
        return turn.T @ (position - origin), quaternion

    tool, camera = ours_at.site(TOOL_FRAME), ours_at.cam(WRIST_CAMERA)
    tool_pose = seen_from_hand(tool.xpos, tool.xmat)
    _require_same(ours, model, hand, tool_pose[0])
    body = spec.body(hand)
    if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, TOOL_FRAME) < 0:
        body.add_site(name=TOOL_FRAME, pos=tool_pose[0], quat=tool_pose[1], group=_HIDDEN)
    if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, WRIST_CAMERA) < 0:
        position, quaternion = seen_from_hand(camera.xpos, camera.xmat)
        body.add_camera(
            name=WRIST_CAMERA,
            pos=position,
            quat=quaternion,
            fovy=float(ours.camera(WRIST_CAMERA).fovy[0]),
        )


def _at(model: mujoco.MjModel, q: Floats) -> mujoco.MjData:
    """Return the poses of a model with the arm's joints at q (6,) rad."""
    data = mujoco.MjData(model)
    data.qpos[[model.joint(name).qposadr[0] for name in JOINTS]] = q
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    return data


def _frame(data: mujoco.MjData, body: str) -> tuple[Floats, Floats]:
    """Return position (3,) m and rotation (3, 3) of a body."""
    found = data.body(body)
    return found.xpos.copy(), found.xmat.reshape(3, 3).copy()


def _require_same(ours: mujoco.MjModel, model: mujoco.MjModel, hand: str, tool: Floats) -> None:
    """CellError unless the tool, seen from the hand, is where ours is, in poses of each joint."""
    for i, joint in enumerate(JOINTS[:5]):
        for angle in (0.5 * LOWER[i], 0.5 * UPPER[i]):
            q = np.zeros(6)
            q[i] = angle
            origin, turn = _frame(_at(model, q), hand)
            away = np.linalg.norm(origin + turn @ tool - _at(ours, q).site(TOOL_FRAME).xpos)
            if away > MAX_ERROR:
                raise CellError(
                    f'the arm of the scene is not the SO-101: with {joint} at {angle:.2f} rad its '
                    f'tool is {1e3 * away:.0f} mm away from where actions are computed for it'
                )
