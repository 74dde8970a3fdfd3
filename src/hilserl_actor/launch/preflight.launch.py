"""Check that the cell is ready; no arm moves."""

from hilserl_actor.bringup.ros_launch import describe


def generate_launch_description():
    return describe('preflight')
