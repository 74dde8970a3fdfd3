"""Record demonstrations: the human drives every episode."""

from hilserl_actor.bringup.ros_launch import describe


def generate_launch_description():
    return describe('record')
