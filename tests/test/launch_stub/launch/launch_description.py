"""LaunchDescription."""


class LaunchDescription:
    """A list of entities."""

    def __init__(self, initial_entities=()):
        self.entities = list(initial_entities)

    def execute(self, context):
        return self.entities
