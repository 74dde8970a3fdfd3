"""In which modes of the control loop the leader has torque, once.

The actor's table of modes and the driver both read it: the driver lets the leader go by itself
when a lost call or a dead actor would leave it stiff in somebody's hand.
"""

# the word in ActorStatus.mode -> whether the leader follows the follower (else it is free)
LEADER_TORQUE = {
    'IDLE': False,
    'RESET': True,
    'READY': True,
    'POLICY': True,
    'HUMAN': False,
    'EVAL': True,
    'PAUSED': False,
    'ESTOP': False,
}
