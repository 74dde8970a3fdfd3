"""Event handlers."""


class OnProcessExit:
    """Reacts to the end of a process."""

    def __init__(self, *, target_action=None, on_exit):
        self.target_action, self.on_exit = target_action, on_exit
