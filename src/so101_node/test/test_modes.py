"""The modes in Python and in the message are the same."""

from so101_interfaces.msg import ActorStatus
from so101_node.modes import LEADER_TORQUE, Mode


def test_the_message_has_a_constant_for_each_mode_and_no_other():
    constants = type(ActorStatus)._Metaclass_ActorStatus__constants  # rosidl has no public list
    assert constants == {mode.name: mode.value for mode in Mode}


def test_each_mode_says_whether_the_leader_has_torque():
    assert set(LEADER_TORQUE) == set(Mode)
