"""The modes of the control loop, and in which of them the leader has torque. No ROS in here.

The message ActorStatus names the same modes. The driver reads the torque from here as the actor
does: it frees the leader by itself when a lost call or a dead actor would leave it stiff in
somebody's hand.
"""

from enum import StrEnum


class Mode(StrEnum):
    """What the cell is doing; the value is the word in ActorStatus.mode."""

    IDLE = 'IDLE'
    RESET = 'RESET'
    READY = 'READY'
    POLICY = 'POLICY'
    HUMAN = 'HUMAN'
    EVAL = 'EVAL'
    PAUSED = 'PAUSED'
    ESTOP = 'ESTOP'


# whether the leader follows the follower (else it is free)
LEADER_TORQUE: dict[str, bool] = {
    Mode.IDLE: False,
    Mode.RESET: True,
    Mode.READY: True,
    Mode.POLICY: True,
    Mode.HUMAN: False,
    Mode.EVAL: True,
    Mode.PAUSED: False,
    Mode.ESTOP: False,
}
