"""Train a policy: it drives, a human takes over, a learner improves it from both."""

from hilserl_actor.bringup.ros_launch import describe


def generate_launch_description():
    return describe('train')
