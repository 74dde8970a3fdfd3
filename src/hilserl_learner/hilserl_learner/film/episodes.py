"""Finds recorded episodes by number, name or word: last, worst, best, demos, all.

It reads runs, directories of bags and single bags, and changes no file. Labels are applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hilserl_core.bags.episode_bag import Bag, find_bags, start_time
from hilserl_core.bags.labels import apply, read_labels
from hilserl_core.contract.steps import Outcome, Source, StepRecord
from hilserl_core.contract.task import TaskSchema
from so101_node.errors import CellError

from ..training.run_file import NAME, read_run_file

FILMS = 'films'  # directory of the films, in the run's directory
LAST, WORST, BEST, DEMOS, ALL = WORDS = ('last', 'worst', 'best', 'demos', 'all')


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode, complete. number: by time of recording, from 1, among `total`."""

    bag: Path
    number: int
    total: int
    schema: TaskSchema
    steps: list[StepRecord]

    @property
    def name(self) -> str:
        """The name of its bag."""
        return self.bag.name

    @property
    def outcome(self) -> Outcome:
        """How it ended; NONE if it has no outcome."""
        return Outcome(self.steps[-1].outcome)

    @property
    def human_steps(self) -> int:
        """Number of steps that a human drove."""
        return sum(step.source == Source.HUMAN for step in self.steps)

    @property
    def actions(self) -> int:
        """Number of steps with an action: all but the final observation."""
        return sum(not step.last for step in self.steps)

    @property
    def is_demonstration(self) -> bool:
        """Whether a human drove it from start to end."""
        return 0 < self.human_steps == self.actions


class Recordings:
    """The complete bags of a run, or of a directory of bags, by time. notes: what is left out.

    directory: of the run, or the one that was named.
    """

    def __init__(self, name: str, runs_dir: Path):
        """CellError if there is no such run or directory, or no complete bag in it."""
        self.notes: list[str] = []
        self.directory = _directory(name, runs_dir)
        bags = self.directory / 'bags'
        self.bags = self._by_time(bags if bags.is_dir() else self.directory)

    @property
    def films(self) -> Path:
        """Directory for films: in the run; beside a bag that was named itself."""
        directory = self.directory
        return (directory.parent if self.bags[0] == directory else directory) / FILMS

    def choose(self, words: Sequence[str]) -> list[RecordedEpisode]:
        """Return the episodes of each number, name or word, in this order.

        CellError if a word names none. Words: WORDS; numbers count from 1 by time, -1 is the last.
        """
        return [episode for word in words for episode in self._chosen(word)]

    def _chosen(self, word: str) -> list[RecordedEpisode]:
        total = len(self.bags)
        if word == ALL:
            return self._read_all(self.bags)
        if word == LAST:
            return [self._last()]
        if word == DEMOS:
            return self._demonstrations()
        if word in (WORST, BEST):
            found = sorted(self._read_all(self.bags), key=_goodness)
            return [found[0 if word == WORST else -1]]
        for number, bag in enumerate(self.bags, 1):
            if word in (bag.name, str(number), str(number - total - 1)):
                return [self._read(bag, number, total)]
        raise CellError(
            f'there is no episode {word} in {self.directory}: it has {total} (1 to {total}); '
            f'give a number, the name of a bag, or one of {", ".join(WORDS)}'
        )

    def _last(self) -> RecordedEpisode:
        """The last episode that can be read."""
        total = len(self.bags)
        for number in range(total, 0, -1):
            try:
                return self._read(self.bags[number - 1], number, total)
            except CellError as error:
                self.notes.append(f'{error}; it is left out')
        raise CellError(f'no bag in {self.directory} can be read: {self.notes[0]}')

    def _demonstrations(self) -> list[RecordedEpisode]:
        """The demonstrations that the run started from, else those among its own episodes."""
        found: list[RecordedEpisode] = []
        if (self.directory / NAME).is_file():
            for directory in read_run_file(self.directory).settings.get('demos') or ():
                found += self._read_all(self._by_time(Path(directory)))
        found = found or [e for e in self._read_all(self.bags) if e.is_demonstration]
        if not found:
            raise CellError(
                f'{self.directory} has no demonstrations: no episode that a human drove from its '
                'start to its end'
            )
        return found

    def _by_time(self, directory: Path) -> list[Path]:
        """The complete bags in a directory by time, without those that cannot be read."""
        found = []
        for bag in find_bags(directory):
            try:
                found.append((start_time(bag), bag))
            except CellError as error:
                self.notes.append(f'{error}; it is left out')
        if not found:
            raise CellError(
                f'there is no complete episode in {directory}; '
                + (self.notes[0] if self.notes else 'an episode is complete when it has ended')
            )
        return [bag for _, bag in sorted(found)]

    def _read_all(self, bags: list[Path]) -> list[RecordedEpisode]:
        """The episodes that can be read; CellError if there is none."""
        found = []
        for number, bag in enumerate(bags, 1):
            try:
                found.append(self._read(bag, number, len(bags)))
            except CellError as error:
                self.notes.append(f'{error}; it is left out')
        if not found:
            raise CellError(f'no bag can be read: {self.notes[0]}')
        return found

    @staticmethod
    def _read(bag: Path, number: int, total: int) -> RecordedEpisode:
        opened = Bag(bag)
        steps = list(opened.steps())
        if not steps:
            raise CellError(f'bag {bag} has no steps; `./cell import` makes steps of a recording')
        steps = apply(read_labels(bag), steps)
        return RecordedEpisode(bag, number, total, opened.schema, steps)


def _directory(name: str, runs_dir: Path) -> Path:
    for path in (runs_dir / name, Path(name)):
        if path.is_dir():
            return path
    raise CellError(
        f'there is no run {name} in {runs_dir}, nor a directory of that name with bags'
    )


def _goodness(episode: RecordedEpisode) -> tuple[bool, int, int]:
    """Order of episodes: successes last, less human help later, then fewer steps later."""
    succeeded = episode.outcome == Outcome.SUCCESS
    return succeeded, -episode.human_steps, -episode.actions
