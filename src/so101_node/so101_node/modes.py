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


# True: the leader mirrors the follower. False: the leader's torque is off.
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
