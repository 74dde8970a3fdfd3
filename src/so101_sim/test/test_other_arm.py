"""Another model of the arm in a scene: it gets our tool frame and wrist camera, or is refused."""

import re

import mujoco
import numpy as np
import pytest

from so101_description.joints import JOINTS, LOWER, UPPER
from so101_description.model import MJCF_PATH, load_model
from so101_node.errors import CellError
from so101_sim.scene import load_scene

SCENE = '<mujoco><include file="other.xml"/><include file="table.xml"/></mujoco>'


@pytest.fixture
def other(tmp_path):
    """Return a scene whose arm has other names than ours, and neither tool nor camera."""
    text = MJCF_PATH.read_text(encoding='utf-8')
    text = re.sub(r'<site name=[^>]*/>|<camera name=[^>]*/>', '', text)
    text = text.replace('gripper_link', 'hand').replace('base_link', 'foot')
    (tmp_path / 'other.xml').write_text(text, encoding='utf-8')
    (tmp_path / 'scene.xml').write_text(SCENE, encoding='utf-8')
    return tmp_path / 'scene.xml'


def poses(model, q):
    data = mujoco.MjData(model)
    data.qpos[[model.joint(name).qposadr[0] for name in JOINTS]] = q
    mujoco.mj_forward(model, data)
    tool, camera = data.site('tool'), data.cam('wrist_camera')
    return np.concatenate([tool.xpos, tool.xmat, camera.xpos, camera.xmat])


def test_it_gets_the_tool_and_the_camera_of_ours(other):
    model, ours, rng = load_scene(other), load_model(), np.random.default_rng(0)
    for _ in range(20):
        q = rng.uniform(LOWER, UPPER)
        np.testing.assert_allclose(poses(model, q), poses(ours, q), atol=1e-9)
    assert model.camera('wrist_camera').fovy == ours.camera('wrist_camera').fovy


def test_an_arm_with_other_links_is_refused_in_one_sentence(other):
    path = other.parent / 'other.xml'
    text = path.read_text(encoding='utf-8')
    longer = text.replace('pos="-0.1349', 'pos="-0.1549')
    assert longer != text
    path.write_text(longer, encoding='utf-8')
    with pytest.raises(CellError, match='the arm of the scene is not the SO-101: with .* mm away'):
        load_scene(other)
