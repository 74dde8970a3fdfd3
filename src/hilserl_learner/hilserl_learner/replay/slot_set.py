"""A set of slots with uniform draws; the replay samples from it."""

import numpy as np

NONE = -1


class SlotSet:
    """A set of slots: add, remove and uniform draws in constant time."""

    def __init__(self, capacity: int):
        self._members = np.empty(capacity, np.int32)
        self._where = np.full(capacity, NONE, np.int32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, slot: int) -> None:
        """Add a slot."""
        if self._where[slot] == NONE:
            self._members[self._size] = slot
            self._where[slot] = self._size
            self._size += 1

    def discard(self, slot: int) -> None:
        """Remove a slot; the last member moves to its place."""
        where = self._where[slot]
        if where != NONE:
            self._size -= 1
            moved = self._members[self._size]
            self._members[where], self._where[moved] = moved, where
            self._where[slot] = NONE

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` members, uniform and independent."""
        return self._members[rng.integers(0, self._size, count)].astype(np.int64)

    def members(self) -> np.ndarray:
        """All members, in arbitrary order."""
        return self._members[: self._size].copy()
