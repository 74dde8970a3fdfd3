"""Events."""


class Shutdown:
    """Ends the launch."""

    def __init__(self, *, reason='', due_to_sigint=False):
        self.reason = reason
