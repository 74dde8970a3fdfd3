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


def load_model() -> 'mujoco.MjModel':
    """Compile the arm alone (no table, no cube) from `MJCF_PATH`."""
    import mujoco  # here: the options of the nodes need only names, and --help must be quick

    return mujoco.MjModel.from_xml_path(str(MJCF_PATH))


@functools.cache
def model_hash() -> str:
    """Return the SHA-256 (hex) of the arm's kinematics, which is the same on every machine."""
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
