"""Samples of one topic, sorted by stamp."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Pose = npt.NDArray[np.float64]  # (6,) rad
V = TypeVar('V')


@dataclass
class Stream(Generic[V]):
    """Samples of one topic: stamps (N,) ns, sorted, and one value each."""

    stamps: npt.NDArray[np.int64]
    values: V  # a list or an array
    out_of_order: int = 0  # stamps that were earlier than the previous one

    def __len__(self) -> int:
        return len(self.stamps)

    def nearest(self, stamp: int, tolerance: int) -> int | None:
        """Index of the sample nearest to `stamp`; None if no sample is within `tolerance` (ns)."""
        if not len(self.stamps):
            return None
        after = int(np.searchsorted(self.stamps, stamp))
        index = min(
            (i for i in (after - 1, after) if 0 <= i < len(self.stamps)),
            key=lambda i: abs(int(self.stamps[i]) - stamp),
        )
        return index if abs(int(self.stamps[index]) - stamp) <= tolerance else None

    def latest(self, stamp: int, age: int) -> int | None:
        """Index of the newest sample at `stamp`; None if it is older than `age` (ns)."""
        index = int(np.searchsorted(self.stamps, stamp, 'right')) - 1
        return index if index >= 0 and stamp - int(self.stamps[index]) <= age else None

    def before(self, stamp: int) -> int | None:
        """Index of the last sample before `stamp`, or None."""
        index = int(np.searchsorted(self.stamps, stamp)) - 1
        return index if index >= 0 else None


JointStream = Stream[npt.NDArray[np.float64]]  # (N, 6) rad
MarkStream = Stream[list[tuple[str, str]]]  # mode and episode id
