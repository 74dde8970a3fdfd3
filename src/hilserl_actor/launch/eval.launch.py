"""Measure a policy: deterministic, the leader ignored."""

from hilserl_actor.bringup.ros_launch import describe


def generate_launch_description():
    return describe('eval')
