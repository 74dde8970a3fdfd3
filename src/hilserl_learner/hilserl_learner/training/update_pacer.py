"""Keeps the number of updates at a target ratio to the number of steps."""


class Pacer:
    """One update is due for each `1 / ratio` credited steps; late updates stay due."""

    def __init__(self, ratio: float, credited: int = 0, updates: int = 0):
        self.ratio, self.credited, self.updates = ratio, credited, updates

    def due(self) -> bool:
        """Whether an update may be made now."""
        return self.updates < int(self.ratio * self.credited)

    @property
    def achieved(self) -> float:
        """Updates made per step credited; 0 before the first step."""
        return self.updates / self.credited if self.credited else 0.0
