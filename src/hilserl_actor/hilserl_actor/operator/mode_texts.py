"""What modes of the cell and states of the learner mean to the person at the screen.

The text of a mode depends on who moves the leader.
"""

from so101_node.modes import Mode

from ..options import KEYS, LEADER, SCRIPTED, VIRTUAL

COLOURS: dict[str, str] = {
    Mode.POLICY: 'cyan',
    Mode.HUMAN: 'magenta',
    Mode.EVAL: 'cyan',
    Mode.READY: 'green',
    Mode.RESET: 'yellow',
    Mode.IDLE: 'white',
    Mode.PAUSED: 'yellow',
    Mode.ESTOP: 'red',
}
_TEXTS: dict[str, str] = {
    Mode.POLICY: 'the policy drives',
    Mode.EVAL: 'the policy drives, the leader is ignored',
    Mode.RESET: 'on the way to the start pose',
    Mode.IDLE: 'the arm does not move',
    Mode.PAUSED: 'paused: p goes on',
    Mode.ESTOP: 'EMERGENCY STOP: c clears it',
}
_LEARNER = {
    'WAITING': 'waiting for steps',
    'PRETRAINING': 'learning from demonstrations first',
    'TRAINING': 'training',
    'RECORDING': 'recording only',
    'PAUSED': 'paused',
    'FAILED': 'FAILED',
}
_HUMAN = {
    LEADER: 'you drive, through the leader',
    KEYS: 'you drive, with the keys',
    VIRTUAL: 'you drive, with the keys',
    SCRIPTED: 'the scripted operator drives',
}
_READY = {
    LEADER: 'waiting for you: space starts',
    KEYS: 'waiting for you: space starts',
    VIRTUAL: 'waiting for you: space starts',
    SCRIPTED: 'the scripted operator starts the next episode',
}


def mode_text(mode: str, teleop: str) -> str:
    """Return a mode in words; '' for an unknown one. teleop: as in OperatorOptions."""
    by_teleop = {Mode.HUMAN.value: _HUMAN, Mode.READY.value: _READY}
    return by_teleop[mode][teleop] if mode in by_teleop else _TEXTS.get(mode, '')


def learner_text(state: str) -> str:
    """Return a state of LearnerStatus in words; an unknown one as it is."""
    return _LEARNER.get(state, state)
