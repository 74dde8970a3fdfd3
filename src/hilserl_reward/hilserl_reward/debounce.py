"""From judgements of frames to a reward: n of the last m frames, and an optional gate.

The same rule counts in training, in evaluation and live.
"""

from collections import deque
from dataclasses import dataclass
import re

import numpy as np
import numpy.typing as npt

from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

Bools = npt.NDArray[np.bool_]
_GATE = re.compile(r'\s*([A-Za-z_][\w.]*)\s*([<>])\s*(-?\d+(?:\.\d+)?)\s*')


@dataclass(frozen=True)
class Gate:
    """A condition on one value of the state, without which there is no reward."""

    place: int  # in the state
    above: bool
    limit: float

    def open(self, states: npt.NDArray[np.float32]) -> Bools:
        """Return whether it is fulfilled, (N,), for states (N, S)."""
        values = states[:, self.place]
        found: Bools = values > self.limit if self.above else values < self.limit
        return found


def read_gate(text: str, schema: TaskSchema) -> Gate | None:
    """Read `tool.z>0.05`; '' is no gate.

    CellError if the text is none, or the task has no such state.
    """
    if not text.strip():
        return None
    found = _GATE.fullmatch(text)
    if not found:
        raise CellError(f'gate {text[:80]!r} is not of the form NAME>NUMBER or NAME<NUMBER')
    name, relation, limit = found.groups()
    if name not in schema.state_names:
        raise CellError(
            f'gate {text[:80]!r}: the task has no state {name}; it has '
            + ', '.join(schema.state_names)
        )
    return Gate(schema.state_names.index(name), relation == '>', float(limit))


@dataclass(frozen=True)
class Rule:
    """A reward needs `needed` of the last `of` frames of an episode, the present one included."""

    needed: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.of <= 20:
            raise CellError(
                f'{self.needed} of {self.of} frames is no rule: 1 of 1 to 20 of 20, and not more '
                'than there are'
            )

    @classmethod
    def read(cls, text: str) -> 'Rule':
        """Read `2/3`; CellError if it is no rule."""
        found = re.fullmatch(r'(\d{1,2})/(\d{1,2})', text)
        if not found:
            raise CellError(f'{text[:40]!r} is no rule of frames: N/M, such as 2/3')
        return cls(int(found[1]), int(found[2]))

    def first(self, votes: Bools) -> int | None:
        """Return the first frame at which votes (N,) give a reward; None: none does."""
        sums = np.convolve(votes, np.ones(self.of, int))[: len(votes)]
        found = np.flatnonzero(votes & (sums >= self.needed))
        return int(found[0]) if len(found) else None


class Debounce:
    """Applies a rule live, frame by frame."""

    def __init__(self, rule: Rule):
        self._rule = rule
        self._votes: deque[bool] = deque(maxlen=rule.of)

    def reset(self) -> None:
        """Forget the frames of the episode before."""
        self._votes.clear()

    def add_vote(self, vote: bool) -> bool:
        """Add a frame's vote; return whether there is a reward now."""
        self._votes.append(vote)
        return vote and sum(self._votes) >= self._rule.needed
