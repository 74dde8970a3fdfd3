"""The operator's keys, and how they are read from a terminal's bytes.

Each key calls a service, which any other node can call, too. The arrows move a simulated leader.
"""

import re

from so101_node import names

# key -> (what it does, the driver's topic and service). They go to the driver and to the actor.
STOP_KEYS = {
    'x': ('EMERGENCY STOP: the arm holds', names.DRIVER_STOP),
    'v': ('EMERGENCY STOP: the arm goes limp', names.DRIVER_RELEASE),
}
# key -> (what it does, service, value of a SetBool or None for a Trigger)
KEYS = {
    ' ': ('start the episode (or the cell)', names.START, None),
    'i': ('take over through the leader', names.INTERVENE, True),
    'o': ('give back to the policy', names.INTERVENE, False),
    's': ('mark success', names.SUCCESS, None),
    'f': ('mark failure', names.FAILURE, None),
    'd': ('discard the episode under way', names.DISCARD, None),
    'r': ('discard the last episode, to do it again', names.DISCARD_LAST, None),
    'p': ('pause, and go on', names.PAUSE, True),
    'c': ('end a stop, when it is safe', names.DRIVER_STOP_RESET, None),
    't': ('in IDLE: the follower goes limp', names.SET_TORQUE.format(arm='follower'), False),
    'e': ("clear the follower's faults", names.CLEAR_FAULTS.format(arm='follower'), None),
    'l': ('pause the learner', names.LEARNER_PAUSE, True),
    'k': ('let the learner go on', names.LEARNER_PAUSE, False),
}
SIMULATED_KEYS = {
    'n': ('place the cube at a new position', names.SIM_PLACE_CUBE, None),
}
TELEOP_KEYS = {
    'arrows': 'move the leader: away, back, left, right',
    'u j': 'up, down (page keys, too)',
    '. ,': 'open, close the gripper',
}

_SEQUENCE = re.compile(rb'\x1b(?:\[[0-9;]*[@-~]|O[@-~])')
_INCOMPLETE = re.compile(rb'\x1b(?:\[[0-9;]*|O)?\Z')
_NAMES = {b'A': 'up', b'B': 'down', b'C': 'right', b'D': 'left', b'5~': 'u', b'6~': 'j'}


def key_table(simulated: bool) -> str:
    """Return the keys and what they do; simulated: include the keys that move the leader."""
    table = KEYS | (SIMULATED_KEYS if simulated else {})
    rows = [(key, text) for key, (text, _) in STOP_KEYS.items()]
    rows += [('space' if key == ' ' else key, text) for key, (text, _, _) in table.items()]
    rows += list(TELEOP_KEYS.items()) if simulated else []
    return '\n'.join(f'  {key:<8}{text}' for key, text in rows)


class Keyboard:
    """Decodes a terminal's bytes to names of keys; a key's bytes may arrive in pieces."""

    def __init__(self) -> None:
        self._rest = b''

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete: characters in lower case, and 'up', 'left', ..."""
        data, keys = self._rest + data, []
        incomplete = _INCOMPLETE.search(data)
        self._rest = data[incomplete.start() :] if incomplete else b''
        data = data[: len(data) - len(self._rest)]
        while data:
            sequence = _SEQUENCE.match(data)
            if sequence:
                name = _NAMES.get(sequence[0][2:])
                keys += [name] if name else []
                data = data[sequence.end() :]
            else:  # ignore a single escape, but not the byte after it
                keys += [data[:1].decode(errors='ignore').lower()] * (data[:1] != b'\x1b')
                data = data[1:]
        return [key for key in keys if key]
