"""Paths of the arm's model files, the compiled MuJoCo model, and its hash.

The hash covers the kinematics (frames, axes, limits, the tool), not masses or appearance. Two
programs with the same hash compute the same tool pose from the same joints.
"""

from collections.abc import Iterable
import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .joints import JOINTS

if TYPE_CHECKING:
    import mujoco

MJCF_PATH = Path(__file__).resolve().parent / 'mjcf' / 'so101.xml'
URDF_PATH = Path(__file__).resolve().parent / 'urdf' / 'so101.urdf'

# The hash of the model in the present file, so that nodes that need only the hash do not import
# MuJoCo; a test compares them. After a change of the file, the hash is computed.
MJCF_SHA256 = 'f78fdbd6cac394302f9a844a012caa3203ba725b4e187c777f411debbe7d6d06'
MODEL_HASH = 'db5bd0aca4dda6b1c8f647fe66e0859dcb6a4af92a281cbd5b6fd01d3453d259'


def load_model() -> 'mujoco.MjModel':
    """Compile the arm alone (no table, no cube) from `MJCF_PATH`."""
    import mujoco  # here: the options of the nodes need only names, and --help must be quick

    return mujoco.MjModel.from_xml_path(str(MJCF_PATH))


@functools.cache
def model_hash() -> str:
    """Return the SHA-256 (hex) of the arm's kinematics, which is the same on every machine."""
    if hashlib.sha256(MJCF_PATH.read_bytes()).hexdigest() == MJCF_SHA256:
        return MODEL_HASH
    return computed_hash()


def computed_hash() -> str:
    """Return the same from the compiled model."""
    model = load_model()

    def rounded(values: Iterable[float]) -> list[float]:
        return [round(float(v), 9) + 0.0 for v in values]

    tree = []
    for name in JOINTS:
        joint = model.joint(name)
        body = model.body(joint.bodyid[0])
        tree.append(
            {
                'joint': name,
                'body': body.name,
                'parent': model.body(body.parentid[0]).name,
                'position': rounded(body.pos),
                'quaternion': rounded(body.quat),
                'anchor': rounded(joint.pos),
                'axis': rounded(joint.axis),
                'range': rounded(joint.range),
            }
        )
    tool = model.site('tool')
    tree.append(
        {
            'tool': model.body(tool.bodyid[0]).name,
            'position': rounded(tool.pos),
            'quaternion': rounded(tool.quat),
        }
    )
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
