"""The key `sim` of a task file: the scene of the simulated cell, what varies, and the success.

Nothing of it is in the task's hash: a real cell has no scene.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

TOOL = 'tool'  # in a condition: the tool of the arm
Point = tuple[float, float, float]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


class _Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A mapping of a task file."""


class Placement(_Entry, frozen=True, kw_only=True):
    """Where a body is at the start of an episode."""

    position: Annotated[Point, Meta(description='the middle of its area; m in base_link')]
    spread: Annotated[
        tuple[float, float],
        Meta(description='it is drawn within +- this around the middle, in x and y; m'),
    ] = (0.0, 0.0)
    yaw: Annotated[float, Meta(description='its middle angle about z; degrees')] = 0.0
    yaw_spread: Annotated[
        float, Meta(ge=0.0, le=180.0, description='it is drawn within +- this; degrees')
    ] = 0.0


class Lifted(_Entry, frozen=True, kw_only=True, tag='lifted', tag_field='is'):
    """The body is higher than at its placement."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    by: Annotated[float, Meta(description='how much higher, at least; m')]


class Near(_Entry, frozen=True, kw_only=True, tag='near', tag_field='is'):
    """The middle of the body is near another one, or near the tool."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    to: Annotated[Name, Meta(description='name of a body, or tool')]
    within: Annotated[float, Meta(description='largest distance; m')]


class Inside(_Entry, frozen=True, kw_only=True, tag='inside', tag_field='is'):
    """The middle of the body is inside a box."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    min: Annotated[Point, Meta(description='lower corner of the box; m')]
    max: Annotated[Point, Meta(description='upper corner of the box; m')]
    of: Annotated[
        str,
        Meta(max_length=100, description="a body: the box is in its frame (empty: base_link's)"),
    ] = ''


class On(_Entry, frozen=True, kw_only=True, tag='on_top', tag_field='is'):
    """The body touches another one and is above it."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    of: Annotated[Name, Meta(description='the body below')]
    within: Annotated[float, Meta(description='largest distance of the two middles in x and y; m')]


class Touching(_Entry, frozen=True, kw_only=True, tag='touching', tag_field='is'):
    """The body touches another one."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    other: Annotated[Name, Meta(description='name of a body in the scene')]


class Released(_Entry, frozen=True, kw_only=True, tag='released', tag_field='is'):
    """The arm does not touch the body."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]


class Still(_Entry, frozen=True, kw_only=True, tag='still', tag_field='is'):
    """The body is slower than this."""

    body: Annotated[Name, Meta(description='name of a body in the scene')]
    speed: Annotated[float, Meta(gt=0.0, le=10.0, description='m/s')] = 0.01


Condition = Lifted | Near | Inside | On | Touching | Released | Still


class Move(_Entry, frozen=True, kw_only=True):
    """A further body that the scripted operator puts somewhere."""

    grasp: Annotated[Name, Meta(description='the body that it grasps')]
    onto: Annotated[Name, Meta(description='the body where it puts it')]


class Skill(_Entry, frozen=True, kw_only=True):
    """What the scripted operator does: it grasps a body, lifts it, and may put it somewhere."""

    grasp: Annotated[Name, Meta(description='the body that it grasps')]
    grasp_height: Annotated[
        float,
        Meta(ge=0.0, le=0.2, description='height of the tool over the table in the grasp; m'),
    ] = 0.016
    lift: Annotated[
        float, Meta(ge=0.0, le=0.3, description='height of the tool after the lift; m')
    ] = 0.12
    onto: Annotated[
        str,
        Meta(max_length=100, description='the body where it puts it (empty: it keeps holding it)'),
    ] = ''
    release_height: Annotated[
        float,
        Meta(
            ge=0.0,
            le=0.3,
            description='height of the grasped body over that one when the gripper opens; m',
        ),
    ] = 0.0
    fit: Annotated[
        float,
        Meta(
            ge=0.0,
            le=0.05,
            description='largest distance in x and y of both middles at which it lowers the body, '
            'over a hole; m; stiction leaves 1 to 2 mm (0: 3 mm at the beginning, and then any). '
            'With it, it also comes down over the body with care, as one that stands may fall',
        ),
    ] = 0.0
    turn: Annotated[
        bool,
        Meta(
            description="whether it turns the wrist until the jaw closes along the body's y axis, "
            'as across a bar along x; the action needs droll or the joint wrist_roll'
        ),
    ] = False
    then: Annotated[
        tuple[Move, ...],
        Meta(max_length=10, description='what it puts elsewhere afterwards, with these heights'),
    ] = ()

    def moves(self) -> tuple[Move, ...]:
        """Return every move in order; onto is empty if it keeps holding the body."""
        return Move(grasp=self.grasp, onto=self.onto), *self.then


class Area(_Entry, frozen=True, kw_only=True):
    """A rectangle on the table."""

    min: Annotated[tuple[float, float], Meta(description='smallest x and y; m in base_link')]
    max: Annotated[tuple[float, float], Meta(description='largest x and y; m')]


class Simulation(_Entry, frozen=True, kw_only=True):
    """The task in the simulated cell."""

    scene: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description='MJCF file: of this suite by its name, or a path relative to the task '
            'file. It includes so101.xml, the arm, and may include table.xml, our table and light',
        ),
    ]
    place: Annotated[
        dict[str, Placement],
        Meta(min_length=1, max_length=50, description='the bodies that are placed, by name'),
    ]
    apart: Annotated[
        float, Meta(ge=0.0, le=1.0, description='smallest distance of two placed bodies; m')
    ] = 0.0
    colours: Annotated[
        dict[str, tuple[Point, ...]],
        Meta(
            max_length=50,
            description='for a material of the scene, the colours (red, green, blue, 0 to 1) of '
            'which each episode has one',
        ),
    ] = {}
    light: Annotated[
        float,
        Meta(ge=0.0, le=1.0, description='the lights differ by up to this share in each episode'),
    ] = 0.0
    camera_jitter: Annotated[
        float,
        Meta(
            ge=0.0,
            le=20.0,
            description='each camera is turned by up to this in each episode; degrees',
        ),
    ] = 0.0
    distractors: Annotated[
        int,
        Meta(
            ge=0,
            le=6,
            description='objects of drawn colours, at drawn places, that have nothing to do with '
            'the task',
        ),
    ] = 0
    success: Annotated[
        tuple[Condition, ...],
        Meta(min_length=1, max_length=20, description='the conditions that are the success'),
    ]
    hold: Annotated[
        float,
        Meta(ge=0.0, le=60.0, description='time for which all of them must be fulfilled; s'),
    ] = 0.0
    area: Annotated[
        Area,
        Meta(description='where the grasped body can be reached; outside of it, it is lost'),
    ]
    skill: Annotated[
        Skill | None,
        Meta(
            description='what the scripted operator does to make or rescue an episode (without '
            'it: it only places the bodies and starts the episodes)'
        ),
    ] = None


def problem(simulation: Simulation) -> str:
    """Return why the names in a simulation do not fit together, or ''."""
    skill = simulation.skill
    named = {
        'success': [name for each in simulation.success for name in _names(each)],
        'skill': [
            name
            for move in (skill.moves() if skill else ())
            for name in (move.grasp, move.onto)
            if name
        ],
    }
    for key, names in named.items():
        for name in names:
            if name not in simulation.place:
                return f'sim.{key} names the body {name!r}, which sim.place has not'
    if skill and skill.then and not skill.onto:
        return 'sim.skill.then needs sim.skill.onto: a body that is held cannot be left'
    return ''


def _names(condition: Condition) -> list[str]:
    """Return the bodies that a condition names."""
    found = [condition.body]
    if isinstance(condition, Near) and condition.to != TOOL:
        found.append(condition.to)
    if isinstance(condition, (Inside, On)) and condition.of:
        found.append(condition.of)
    if isinstance(condition, Touching):
        found.append(condition.other)
    return found
