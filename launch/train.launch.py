"""Train a policy: it drives, a human takes over, a learner improves it from both."""
from hilserl_actor.launching import describe


def generate_launch_description():
    return describe('train')
