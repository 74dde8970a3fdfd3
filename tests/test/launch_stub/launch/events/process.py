"""Events of processes."""


class ProcessExited:
    """A process has ended."""

    def __init__(self, *, process_name, returncode):
        self.process_name, self.returncode = process_name, returncode
