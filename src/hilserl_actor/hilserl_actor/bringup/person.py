"""Who drives in a cell, and what is said to that person."""

from ..options import BY_KEYS, KEYS, LEADER, SCRIPTED, VIRTUAL
from .options import DEMONSTRATIONS, NEGATIVES, WITH_KEYS, CellOptions


def uses_scripted_operator(cell: CellOptions) -> bool:
    """Return whether a scripted operator stands in for the person."""
    return cell.sim if cell.operator == 'auto' else cell.operator == 'scripted'


def teleop_of(cell: CellOptions) -> str:
    """Return who moves the leader."""
    if uses_scripted_operator(cell):
        return SCRIPTED
    if cell.sim:
        return KEYS
    return VIRTUAL if cell.leader == WITH_KEYS else LEADER


def how_to_drive(teleop: str, has_leader: bool, purpose: str = DEMONSTRATIONS) -> str:
    """Return how demonstrations, or negatives, are driven in this cell."""
    if purpose == NEGATIVES:
        return f'{_NEGATIVES}; {_how_to_drive(teleop, has_leader, "makes them")}'
    return _how_to_drive(teleop, has_leader, 'demonstrates')


_NEGATIVES = (
    'negatives: make what looks like a success and is none (the gripper closed on nothing, the '
    'object lifted too little or put beside), and mark each with f, failure'
)


def _how_to_drive(teleop: str, has_leader: bool, does: str) -> str:
    if teleop == SCRIPTED:
        return (
            f'the scripted operator {does}; to drive yourself with the keys of this '
            'terminal, add operator:=person'
        )
    if teleop in BY_KEYS:
        return (
            'you drive with the keys, here or on the page: the arrows, u and j move the arm, . '
            'and , its gripper; '
            'space moves it to the start pose, space again starts an episode'
        )
    if has_leader:
        return (
            'you drive: sit where you see the gripper, and hold the leader; space moves the '
            'follower to its start pose, space again starts an episode, s marks success'
        )
    return (
        'this cell has no leader arm, and a person drives through one: connect it and run ./cell '
        'find, or drive with keys, gamepad or touch of the console: leader:=keys'
    )
