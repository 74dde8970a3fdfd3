"""The modes of the control loop, and the modes in which the leader has torque. Free of ROS.

The message ActorStatus names the same modes. Actor and driver both use this table: if a service
call is lost or the actor dies, the driver still switches the leader's torque off.
"""

from enum import StrEnum


class Mode(StrEnum):
    """Mode of the control loop. The value is the string in ActorStatus.mode."""

    IDLE = 'IDLE'
    RESET = 'RESET'
    READY = 'READY'
    POLICY = 'POLICY'
    HUMAN = 'HUMAN'
    EVAL = 'EVAL'
    PAUSED = 'PAUSED'
    ESTOP = 'ESTOP'


# The leader's torque. True: on, it mirrors the follower. False: off. None: it stays as it is.
LEADER_TORQUE: dict[str, bool | None] = {
    Mode.IDLE: False,
    Mode.RESET: True,
    Mode.READY: True,
    Mode.POLICY: True,
    Mode.HUMAN: False,
    Mode.EVAL: True,
    Mode.PAUSED: False,
    Mode.ESTOP: None,
}
