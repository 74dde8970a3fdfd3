"""Action."""


class Action:
    """Something that is executed, if its condition holds."""

    def __init__(self, *, condition=None):
        self.condition = condition

    def execute(self, context):
        raise NotImplementedError
