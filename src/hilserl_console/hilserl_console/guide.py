"""Leads through a first session: what its parts are, and what to do now. Free of ROS."""

from typing import Any

from hilserl_actor.options import SCRIPTED
from so101_node.modes import Mode

PARTS = ('show it how', 'let it learn and practise', 'see what it can do alone')
RECORD, TRAIN, EVAL = 'record', 'train', 'eval'
_KEYS = 'The arrows move, u and j go up and down, full stop and comma open and close the gripper.'
_START = 'Press space, or the large button: the arm goes to its start pose.'
_BY_HAND: dict[tuple[str, str], str] = {
    (RECORD, Mode.IDLE): _START,
    (RECORD, Mode.RESET): 'The arm goes to its start pose.',
    (RECORD, Mode.READY): 'Press space: the episode begins, and you drive.',
    (
        RECORD,
        Mode.HUMAN,
    ): 'You drive: {task}. {keys} Success is seen by itself; d discards what went wrong.',
    (TRAIN, Mode.IDLE): _START,
    (TRAIN, Mode.RESET): 'The arm goes to its start pose.',
    (TRAIN, Mode.READY): 'The policy tries again in a moment.',
    (
        TRAIN,
        Mode.POLICY,
    ): 'The policy tries. Where it goes wrong, take over: hold an arrow; o gives back.',
    (TRAIN, Mode.HUMAN): 'You drive. {keys} o gives back to the policy.',
}
_WATCH = {
    RECORD: 'The scripted operator demonstrates. Nothing is to be done.',
    TRAIN: 'The policy tries, and the scripted operator helps where it fails.',
    EVAL: 'The policy is alone now: nobody helps, and each situation is new.',
}
_PRETRAINS = 'It learns from your demonstrations first; this takes a minute.'
_STOPPED: dict[str, str] = {
    Mode.PAUSED: 'Paused: p goes on.',
    Mode.ESTOP: 'Stopped: look at the arm; c ends the stop.',
}


def guide(
    part: tuple[int, int], teleop: str, state: dict[str, Any], instruction: str
) -> dict[str, Any] | None:
    """Return what the page says of the session; None if this cell is part of none.

    part: number and count, as `part_in`; state: what the page shows now; instruction: of the
    task, in words.
    """
    number, count = part
    role, mode = state.get('role', ''), state.get('mode', '')
    if not number:
        return None
    parts = PARTS[-count:]  # a session that is continued may have no recording left
    if not mode:
        return {'part': number, 'parts': parts, 'now': 'The cell starts.', 'wanted': 0}
    found: dict[str, Any] = {'part': number, 'parts': parts, 'now': '', 'wanted': 0}
    if mode in _STOPPED:
        found['now'] = _STOPPED[mode]
    elif teleop == SCRIPTED or role == EVAL:
        found['now'] = _WATCH.get(role, '')
    else:
        text = _BY_HAND.get((role, mode), '')
        has_policy = bool(state.get('policy', {}).get('sha'))
        if role == TRAIN and mode == Mode.IDLE and not has_policy:
            text = _PRETRAINS
        found['now'] = text.format(task=instruction, keys=_KEYS)
    if wanted := state.get('wanted', 0):
        done = min(state.get('episodes', 0), wanted)
        found |= {'wanted': wanted, 'done': done, 'count': f'{done} of {wanted} episodes'}
    return found
