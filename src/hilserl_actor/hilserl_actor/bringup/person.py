"""Who drives in a cell, and what is said to that person."""

from ..options import KEYS, LEADER, SCRIPTED
from .options import CellOptions


def uses_scripted_operator(cell: CellOptions) -> bool:
    """Return whether a scripted operator stands in for the person."""
    return cell.sim if cell.operator == 'auto' else cell.operator == 'scripted'


def teleop_of(cell: CellOptions) -> str:
    """Return who moves the leader."""
    if uses_scripted_operator(cell):
        return SCRIPTED
    return KEYS if cell.sim else LEADER


def how_to_drive(teleop: str, has_leader: bool) -> str:
    """Return how demonstrations are driven in this cell."""
    if teleop == SCRIPTED:
        return (
            'the scripted operator demonstrates; to drive yourself with the keys of this '
            'terminal, add operator:=person'
        )
    if teleop == KEYS:
        return (
            'you drive with the keys: the arrows, u and j move the arm, . and , its gripper; '
            'space moves it to the start pose, space again starts an episode'
        )
    if has_leader:
        return (
            'you drive: sit where you see the gripper, and hold the leader; space moves the '
            'follower to its start pose, space again starts an episode, s marks success'
        )
    return (
        'this cell has no leader arm, and a person drives through one: connect it and run ./cell '
        'find, or practise with the keys in the simulated cell: ./cell record operator:=person'
    )
