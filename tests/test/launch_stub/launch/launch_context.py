"""LaunchContext."""

import os
from types import SimpleNamespace


class LaunchContext:
    """What actions read and change while they are executed."""

    def __init__(self, *, argv=()):
        self.argv = list(argv)
        self.launch_configurations = {}
        self.environment = os.environ
        self.is_shutdown = False
        self.handlers = []
        self.stack = []
        self.locals = SimpleNamespace()

    def perform_substitution(self, substitution):
        return substitution.perform(self)
