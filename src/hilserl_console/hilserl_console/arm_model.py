"""The arm's primitives for the page: bodies with their joints, and boxes and cylinders on them."""

from typing import Any

from so101_description.joints import JOINTS
from so101_description.model import load_model

VISIBLE = 2  # group of the geoms that are shown
_KINDS = {5: 'cylinder', 6: 'box'}  # of mjtGeom


def arm_model() -> dict[str, Any]:
    """Return bodies in order, parents first: parent (index, -1 for none), pos (m), quat (wxyz).

    A body with a joint has its name, number in JOINTS and axis. geoms: kind, pos, quat, size (half
    sizes of a box; radius and half length of a cylinder, m), colour. `tool`: body and pos.
    """
    model = load_model()
    bodies: list[dict[str, Any]] = []
    for number in range(1, model.nbody):
        body = model.body(number)
        entry: dict[str, Any] = {
            'parent': int(body.parentid[0]) - 1,
            'pos': _rounded(body.pos),
            'quat': _rounded(body.quat),
            'geoms': [],
        }
        if body.jntnum[0]:
            joint = model.joint(int(body.jntadr[0]))
            entry |= {'joint': JOINTS.index(joint.name), 'axis': _rounded(joint.axis)}
        bodies.append(entry)
    for number in range(model.ngeom):
        geom = model.geom(number)
        kind = _KINDS.get(int(geom.type[0]))
        if int(geom.group[0]) != VISIBLE or kind is None:
            continue
        material = int(geom.matid[0])
        rgba = model.mat_rgba[material] if material >= 0 else geom.rgba
        bodies[int(geom.bodyid[0]) - 1]['geoms'].append(
            {
                'kind': kind,
                'pos': _rounded(geom.pos),
                'quat': _rounded(geom.quat),
                'size': _rounded(geom.size),
                'colour': [round(float(c) * 255) for c in rgba[:3]],
            }
        )
    tool = model.site('tool')
    return {
        'bodies': bodies,
        'tool': {'body': int(tool.bodyid[0]) - 1, 'pos': _rounded(tool.pos)},
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 5) for value in values]
