"""The episodes in a directory of bags, with their labels, and which of them count.

A summary, a report and a checkpoint all count by `counts`, so their numbers agree.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from so101_node.errors import CellError

from ..contract.steps import Outcome, Source, StepRecord
from .episode_bag import contents, find_bags, start_time
from .labels import apply, read_labels

BROKEN_OFF = 0.5  # s of a broken-off episode, at most
MAX_PAUSE = 60.0  # s between two steps; after a longer pause the cell was not in use


def counts(outcome: int) -> bool:
    """Return whether an episode with this outcome counts: not if it was aborted or discarded."""
    return outcome not in (Outcome.NONE, Outcome.DISCARDED)


def broken_off(outcome: int, steps: int, rate: float) -> bool:
    """Return whether an episode was broken off at its start, so that it demonstrates nothing.

    steps: with an action; rate: Hz.
    """
    return outcome == Outcome.NONE and steps < BROKEN_OFF * rate


@dataclass(frozen=True)
class EpisodeRow:
    """One episode in figures. Times: ns of the ROS clock."""

    episode_id: str
    outcome: Outcome
    steps: int  # with an action
    human_steps: int
    began: int
    ended: int

    @property
    def succeeded(self) -> bool:
        """Whether the episode succeeded, with or without help."""
        return self.outcome == Outcome.SUCCESS

    @property
    def alone(self) -> bool:
        """Whether the policy succeeded without help."""
        return self.succeeded and not self.human_steps


def row_of(steps: list[StepRecord]) -> EpisodeRow:
    """Return the figures of one episode."""
    outcome = steps[-1].outcome
    with_action = [step for step in steps if not step.last]
    return EpisodeRow(
        steps[0].episode_id,
        Outcome(outcome) if outcome in set(Outcome) else Outcome.NONE,
        len(with_action),
        sum(step.source == Source.HUMAN for step in with_action),
        steps[0].stamp,
        steps[-1].stamp,
    )


class RobotClock:
    """Minutes that the robot was in use, from the stamps of its steps, resets included."""

    def __init__(self) -> None:
        self.minutes = 0.0
        self._last: int | None = None

    def advance(self, stamp: int) -> None:
        """Note a step's stamp, ns."""
        passed = 0.0 if self._last is None else (stamp - self._last) * 1e-9
        self._last = stamp
        self.minutes += passed / 60.0 if 0.0 < passed < MAX_PAUSE else 0.0


def episodes_by_time(
    directory: Path, note: Callable[[str], object]
) -> Iterator[tuple[Path, list[StepRecord]]]:
    """Yield each episode's bag and steps in the order of recording, labels applied.

    A bag or a label file that cannot be read is left out from there on; `note` gets a sentence
    for it.
    """
    bags = []
    for bag in find_bags(directory):
        try:
            bags.append((start_time(bag), bag))
        except CellError as error:
            note(f'{error}; it is left out')
    for _, bag in sorted(bags):
        for steps in _episodes_of(bag, note).values():
            try:
                yield bag, apply(read_labels(bag), steps)
            except CellError as error:
                note(f'{error}; its labels are left out')
                yield bag, steps


def _episodes_of(bag: Path, note: Callable[[str], object]) -> dict[str, list[StepRecord]]:
    """The steps in a bag by episode, up to its damage."""
    found: dict[str, list[StepRecord]] = {}
    try:
        for _, _, content in contents([bag]):
            if isinstance(content, StepRecord):
                found.setdefault(content.episode_id, []).append(content)
    except CellError as error:
        note(f'{error}; its steps from there on are left out')
    return found
