"""Record demonstrations: the human drives every episode."""
from hilserl_actor.launching import describe


def generate_launch_description():
    return describe('record')
