"""The operator's keys, and how they are read from a terminal's bytes.

Each key calls a service, which any other node can call, too. The arrows move a simulated leader,
or the virtual one of a real follower without a leader arm.
"""

from collections.abc import Mapping
import re

from so101_node import names

from ..options import BY_KEYS, SCRIPTED
from ..options import KEYS as SIMULATED

# key -> (what it does, the driver's topic and service). They go to the driver and to the actor.
STOP_KEYS = {
    'x': ('EMERGENCY STOP: the arm holds', names.DRIVER_STOP),
    'v': ('EMERGENCY STOP: arm goes limp', names.DRIVER_RELEASE),
}
# key -> (what it does, service, value of a SetBool or None for a Trigger)
KEYS = {
    ' ': ('start the episode (or the cell)', names.START, None),
    'i': ('take over through the leader', names.INTERVENE, True),
    'o': ('give back to the policy', names.INTERVENE, False),
    's': ('mark success', names.SUCCESS, None),
    'f': ('mark failure', names.FAILURE, None),
    'd': ('discard the episode under way', names.DISCARD, None),
    'r': ('discard the last episode', names.DISCARD_LAST, None),
    'p': ('pause, and go on', names.PAUSE, True),
    'c': ('end a stop, when it is safe', names.DRIVER_STOP_RESET, None),
    't': ('in IDLE: follower goes limp', names.SET_TORQUE.format(arm='follower'), False),
    # and those of the leader
    'e': ('clear the faults of the arms', names.CLEAR_FAULTS.format(arm='follower'), None),
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


CTRL_C = ('Ctrl-C', 'end: the arms go to rest', 'end')
# What a key does, in a word or two, for a small screen.
_SHORT = {
    'x': 'STOP, hold',
    'v': 'STOP, limp',
    ' ': 'start',
    'i': 'take over',
    'o': 'give back',
    's': 'success',
    'f': 'failure',
    'd': 'discard',
    'r': 'discard last',
    'p': 'pause',
    'c': 'end a stop',
    't': 'limp in IDLE',
    'e': 'clear faults',
    'l': 'pause learner',
    'k': 'go on',
    'n': 'place the cube',
    'arrows': 'move',
    'u j': 'up, down',
    '. ,': 'gripper',
}
_OF_A_DRIVER = (' ', 'i', 'o')  # keys of a person who drives; a scripted operator does that itself


def keys_of(teleop: str) -> dict[str, tuple[str, str, bool | None]]:
    """Return the keys that call a service, as KEYS. teleop: who moves the leader."""
    return KEYS | (SIMULATED_KEYS if teleop == SIMULATED else {})


def key_rows(teleop: str) -> list[tuple[str, str, str]]:
    """Return each key, what it does, and that in a word or two. teleop: who moves the leader."""
    rows = [(key, text) for key, (text, _) in STOP_KEYS.items()]
    table = keys_of(teleop)
    rows += [
        (key, text)
        for key, (text, _, _) in table.items()
        if teleop != SCRIPTED or key not in _OF_A_DRIVER
    ]
    rows += list(TELEOP_KEYS.items()) if teleop in BY_KEYS else []
    return [(name_of(key), text, _SHORT[key]) for key, text in rows] + [CTRL_C]


def name_of(key: str) -> str:
    """Return a key as it is called."""
    return 'space' if key == ' ' else key


def key_table(teleop: str) -> str:
    """Return the keys and what they do, a line each."""
    return '\n'.join(f'  {key:<8}{text}' for key, text, _ in key_rows(teleop))


def no_keys(namespace: str, teleop: str, environment: Mapping[str, str]) -> str:
    """Return the line that says how to get the keys, for a node that has no terminal."""
    words = [f'namespace:={namespace.strip("/")}'] if namespace.strip('/') else []
    words += [f'teleop:={teleop}'] if teleop in BY_KEYS else []
    command = './cell operator'
    if environment.get('ROS_DISTRO'):
        command = 'ros2 run hilserl_actor operator'
        words = [f'-p {word}' for word in words]
        words = [word.replace('-p namespace:=', '-r __ns:=/') for word in words]
        words = ['--ros-args', *words] if words else []
    return f'no keys here, for want of a terminal; in a terminal: {" ".join([command, *words])}'


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
