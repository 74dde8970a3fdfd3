"""Check that the cell is ready; no arm moves."""
from hilserl_actor.launching import describe


def generate_launch_description():
    return describe('preflight')
