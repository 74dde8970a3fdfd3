"""How near the arm's links are to each other and to the table, and motions limited by that.

The shapes are the boxes of the model that show the arm's outline, with its camera. Neighbouring
links are not compared: their joint limits keep them apart. The table is a plane of base_link.
"""

import itertools

import mujoco
import numpy as np
import numpy.typing as npt

from .joints import JOINTS, Floats
from .model import load_model

CLEARANCE = 0.005  # m between two links, and of a link over the table; covers lag and backlash
FINGER_CLEARANCE = 0.0  # m; fingers and jaw take objects from the table, so they may touch it
# m that two boxes may be inside each other where the real links only touch: in the rest pose 2 mm.
TOUCH = 0.003
# rad of the fastest joint between two compared poses of a motion; in between, a distance is at
# most 2 mm smaller (4,000 random motions)
SAMPLE = 0.15
_BISECTIONS = 8
_EQUAL = 1e-6  # m; MuJoCo's distances are not exact
_VISIBLE = 2  # the group of the model's shapes that show the arm's outline
_LINKS = {
    'base_link': 'base',
    'shoulder_link': 'shoulder',
    'upper_arm_link': 'upper arm',
    'lower_arm_link': 'lower arm',
    'wrist_link': 'wrist',
    'gripper_link': 'gripper',
    'moving_jaw_so101_v1_link': 'jaw',
}
_CAMERA = ('camera_mount', 'camera_body')
_FINGERS = ('gripper_finger', 'fixed_pad')  # the whole jaw is one too


class Collision:
    """Distances between one arm's links and to the table. Poses are (6,) rad, distances m.

    table_height: z of the table in base_link, m. A table below the arm's reach (-1 m) is none.
    Not thread-safe: use one instance per thread.
    """

    def __init__(self, table_height: float = 0.0):
        self._height = table_height
        self._model = model = load_model()
        self._data = mujoco.MjData(model)
        self._qpos = [model.joint(name).qposadr[0] for name in JOINTS]
        body, parent = model.geom_bodyid, model.body_parentid
        boxes = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
        geoms = np.flatnonzero(boxes & (model.geom_group == _VISIBLE)).tolist()
        # Base and shoulder keep their height.
        fixed = {model.body(name).id for name in ('base_link', 'shoulder_link')}
        self._above = [geom for geom in geoms if body[geom] not in fixed]
        neighbours = {(b, parent[b]) for b in body} | {(parent[b], b) for b in body}
        pairs = [
            (a, b)
            for a, b in itertools.combinations(geoms, 2)
            if body[a] != body[b] and (body[a], body[b]) not in neighbours
        ]
        # Squared distance of two centres below which a pair is measured: that of the enclosing
        # spheres. Rows and columns are the model's shapes; -1 where no pair is compared.
        self._near = np.full((model.ngeom, model.ngeom), -1.0)
        self._factors = np.ones((2, model.ngeom, 5))
        self._number = np.zeros((model.ngeom, model.ngeom), np.int64)  # in `names`
        for i, (a, b) in enumerate(pairs):
            self._near[a, b] = (model.geom_rbound[a] + model.geom_rbound[b] + CLEARANCE) ** 2
            self._number[a, b] = len(self._above) + i
        # of the links whose distances `distances` returns, in its order
        self.names = [(self._name(geom), 'table') for geom in self._above] + [
            (self._name(a), self._name(b)) for a, b in pairs
        ]
        fingers = {model.geom(name).id for name in _FINGERS}
        self.clearances = np.full(len(self.names), CLEARANCE)  # of targets, in the same order
        for i, geom in enumerate(self._above):
            if geom in fingers or self._name(geom) == 'jaw':
                self.clearances[i] = FINGER_CLEARANCE
        self._touching = np.full(len(self.names), -TOUCH)

    def _name(self, geom: int) -> str:
        if self._model.geom(geom).name in _CAMERA:
            return 'camera'
        return _LINKS[self._model.body(self._model.geom_bodyid[geom]).name]

    def distances(self, q: npt.ArrayLike) -> Floats:
        """Return the distances (N,) of `names`, at most CLEARANCE; a contact is negative."""
        model, data = self._model, self._data
        data.qpos[self._qpos] = q
        mujoco.mj_kinematics(model, data)
        centres = data.geom_xpos
        up = np.abs(data.geom_xmat[:, 6:])  # base_link's z in each box's frame
        lowest = centres[:, 2] - (up * model.geom_size).sum(1) - self._height
        found = np.full(len(self.names), CLEARANCE)
        found[: len(self._above)] = np.minimum(lowest[self._above], CLEARANCE)
        # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b of all centres, by one product of matrices
        left, right = self._factors
        left[:, :3], right[:, :3] = centres, -2.0 * centres
        left[:, 3] = right[:, 4] = (centres * centres).sum(1)
        for place in np.flatnonzero(left @ right.T < self._near).tolist():
            a, b = divmod(place, model.ngeom)
            found[self._number[a, b]] = mujoco.mj_geomDistance(model, data, a, b, CLEARANCE, None)
        return found

    def too_near(self, q: npt.ArrayLike) -> str:
        """Return a sentence about the links that a target pose brings too near, or ''."""
        return self._sentence(self.distances(q), self.clearances)

    def contact(self, path: npt.ArrayLike) -> str:
        """Return a sentence about the first contact on a path (N, 6) rad, or ''.

        The poses are joined by straight lines. A contact at the start may stay, but not grow.
        """
        path = np.atleast_2d(np.asarray(path, np.float64))
        distances = self.distances(path[0])
        if len(path) == 1:
            return self._sentence(distances, self._touching)
        least = np.minimum(self._touching, distances - _EQUAL)
        for start, end in itertools.pairwise(path):
            for pose in _samples(start, end):
                if sentence := self._sentence(self.distances(pose), least):
                    return sentence
        return ''

    def limit_target(self, start: Floats, end: Floats) -> tuple[Floats, str]:
        """Return how far the straight motion from `start` to `end` keeps the clearances.

        A distance that is smaller at `start` may grow, but not shrink. The second value names the
        links that end the motion, '' if it is whole.
        """
        return self._limit(start, end, self.clearances)

    def limit_motion(self, start: Floats, end: Floats) -> tuple[Floats, str]:
        """The same for contacts instead of clearances; it allows TOUCH."""
        return self._limit(start, end, self._touching)

    def _limit(self, start: Floats, end: Floats, least: Floats) -> tuple[Floats, str]:
        clear, floors = start, None
        for pose in _samples(start, end):
            distances = self.distances(pose)
            if (distances < least).any():
                if floors is None:  # only now: the usual motion is far from everything
                    floors = np.minimum(least, self.distances(start) - _EQUAL)
                short = distances - floors
                if short.min() < 0.0:
                    first, second = self.names[int(short.argmin())]
                    return self._last_clear(clear, pose, floors), f'{first} and {second}'
            clear = pose
        return end, ''

    def _last_clear(self, clear: Floats, blocked: Floats, floors: Floats) -> Floats:
        for _ in range(_BISECTIONS):
            middle = 0.5 * (clear + blocked)
            if (self.distances(middle) < floors).any():
                blocked = middle
            else:
                clear = middle
        return clear

    def _sentence(self, distances: Floats, least: Floats) -> str:
        short = distances - least
        worst = int(short.argmin())
        if short[worst] >= 0.0:
            return ''
        first, second = self.names[worst]
        distance = distances[worst] * 1e3
        if second == 'table':
            side = 'above' if distance >= 0.0 else 'below'
            return (
                f'the {first} would be {abs(distance):.0f} mm {side} the table surface '
                f'(table_height {self._height:g} m)'
            )
        if distance < 0.0:
            return f'the {first} and the {second} would be {-distance:.0f} mm inside each other'
        return f'the {first} and the {second} would be {distance:.0f} mm apart'


def _samples(start: Floats, end: Floats) -> list[Floats]:
    """Return poses on the way from `start` to `end`, without `start`."""
    step = end - start
    count = max(1, int(np.ceil(np.abs(step).max() / SAMPLE)))
    return [start + step * (i / count) for i in range(1, count)] + [end]
