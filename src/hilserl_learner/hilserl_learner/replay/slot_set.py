"""A set of slots with uniform sampling, for the replay."""

import numpy as np
import numpy.typing as npt

NONE = -1
Slots = npt.NDArray[np.int64]


class SlotSet:
    """A set of slots: add, remove and uniform draws in constant time."""

    def __init__(self, capacity: int):
        self._members = np.empty(capacity, np.int32)
        self._place = np.full(capacity, NONE, np.int32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, slot: int) -> bool:
        return bool(self._place[slot] != NONE)

    def add(self, slot: int) -> None:
        """Add a slot."""
        if self._place[slot] == NONE:
            self._members[self._size] = slot
            self._place[slot] = self._size
            self._size += 1

    def discard(self, slot: int) -> None:
        """Remove a slot; the last member moves to its place."""
        place = self._place[slot]
        if place != NONE:
            self._size -= 1
            moved = self._members[self._size]
            self._members[place], self._place[moved] = moved, place
            self._place[slot] = NONE

    def draw(self, count: int, rng: np.random.Generator) -> Slots:
        """`count` members, uniform and independent."""
        return self._members[rng.integers(0, self._size, count)].astype(np.int64)

    def members(self) -> npt.NDArray[np.int32]:
        """All members, in arbitrary order."""
        return self._members[: self._size].copy()
