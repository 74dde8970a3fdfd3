"""Runs for the page: their episodes, images, labels and evaluations.

A label is the one of `./cell label`: a file beside the bag. The bag does not change. While a
learner uses the run, the learner writes it, and its replay follows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import msgspec
import numpy as np

from hilserl_core.bags.episode_bag import Bag, find_bags
from hilserl_core.bags.episode_list import episodes_by_time, row_of
from hilserl_core.bags.labels import OUTCOMES, Label, add_label, apply, read_labels, sidecar
from hilserl_core.contract.evaluation_report import REPORT, read_report
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.success_interval import wilson
from hilserl_learner.training.run_directory import refuse_if_in_use
from hilserl_learner.training.run_file import NAME, read_run_file
from so101_node.errors import CellError

KEPT = 4  # episodes whose images stay in memory
QUALITY = 85
RECENT = 20  # episodes of a success rate
REPORT_PAGE = 'report.html'


class LabelRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A label for an episode. at: image that shows it, where the episode ends; None: the last."""

    run: Annotated[int, msgspec.Meta(ge=0)]
    episode: Annotated[int, msgspec.Meta(ge=0)]
    outcome: Literal['success', 'failure', 'discarded']
    at: Annotated[int, msgspec.Meta(ge=0)] | None = None


AskLearner = Callable[[str, str, Outcome, int], str]
_DECODER = msgspec.json.Decoder(LabelRequest)


def decode_label(data: bytes) -> LabelRequest:
    """Return the request; CellError if it is none."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise CellError(f'not a label; outcomes are {", ".join(OUTCOMES)}') from None


@dataclass(frozen=True)
class _Episode:
    """An episode in its bag. row: its figures for the page."""

    bag: Path
    episode_id: str
    row: dict[str, Any]


class Archive:
    """One run, or a directory of bags. It reads again when it is asked to."""

    def __init__(self, path: Path, ask_learner: AskLearner | None = None):
        """CellError if there is no such directory, or no bag in it.

        ask_learner(namespace, episode id, outcome, ns): labels an episode of a run in use.
        """
        self._ask_learner = ask_learner
        self.path = path.resolve()
        bags = self.path / 'bags'
        self._bags = bags if bags.is_dir() else self.path
        if not self.path.is_dir():
            raise CellError(f'there is no run {path}; ls runs shows them')
        self.notes: list[str] = []
        self._episodes: list[_Episode] = []
        self.read()
        if not self._episodes:
            raise CellError(f'there is no complete episode in {self._bags}')

    @property
    def in_use(self) -> bool:
        """Whether a cell uses this run now."""
        try:
            refuse_if_in_use(self.path)
        except CellError:
            return True
        return False

    def read_new(self) -> None:
        """Read again if there are other bags than before."""
        if {bag.name for bag in find_bags(self._bags)} != self._read:
            self.read()

    def read(self) -> None:
        """Read the figures of all episodes."""
        self._read = {bag.name for bag in find_bags(self._bags)}
        self.notes, found = [], []
        for bag, labelled in episodes_by_time(self._bags, self.notes.append):
            steps = recorded(bag, labelled[0].episode_id) if sidecar(bag).exists() else labelled
            found.append(_Episode(bag, labelled[0].episode_id, _row(bag, labelled, steps)))
        self._episodes = found

    def shown(self) -> dict[str, Any]:
        """Return what the page shows of this run."""
        rows = [episode.row for episode in self._episodes]
        finished = [row for row in rows if row['outcome'] not in ('none', 'discarded')]
        recent = finished[-RECENT:]
        alone = sum(row['alone'] for row in recent)
        low, high = wilson(alone, len(recent))
        return {
            'name': self.path.name,
            'path': str(self.path),
            'episodes': rows,
            'notes': self.notes,
            'alone': {'part': alone, 'whole': len(recent), 'low': low, 'high': high},
            'minutes': round(sum(row['seconds'] for row in rows) / 60.0, 1),
            'evaluations': self._evaluations(),
            'settings': self._settings(),
            'report': self.report is not None,
            'in_use': self.in_use,
        }

    @property
    def report(self) -> Path | None:
        """The page that `./cell report` wrote, if there is one."""
        file = self.path / REPORT_PAGE
        return file if file.is_file() else None

    def image(self, episode: int, step: int) -> bytes:
        """Return the cameras' images of a step side by side, JPEG; CellError if there is none."""
        at = self._at(episode)
        steps = recorded(at.bag, at.episode_id)
        if not 0 <= step < len(steps) or not steps[step].images:
            raise CellError(f'episode {episode + 1} has no image {step}')
        highest = max(image.shape[0] for image in steps[step].images)
        images = [
            np.pad(image, ((0, highest - image.shape[0]), (0, 0), (0, 0)))
            for image in steps[step].images
        ]
        _, data = cv2.imencode(
            '.jpg', np.hstack(images)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        return data.tobytes()

    def label(self, request: LabelRequest) -> None:
        """Write a label; CellError if there is no such episode or step, or the disk is full."""
        episode = self._at(request.episode)
        steps = recorded(episode.bag, episode.episode_id)
        at = len(steps) - 1 if request.at is None else request.at
        if at >= len(steps):
            raise CellError(f'episode {request.episode + 1} has {len(steps)} steps')
        # The image that shows the outcome becomes the final observation, after the last action.
        label = Label(OUTCOMES[request.outcome], steps[max(0, at - 1)].stamp)
        if self.in_use:
            self._ask(episode.episode_id, label)
        else:
            add_label(episode.bag, label, (steps[0].stamp, steps[-1].stamp))
        row = _row(episode.bag, apply(read_labels(episode.bag), steps), steps)
        self._episodes[request.episode] = _Episode(episode.bag, episode.episode_id, row)

    def _ask(self, episode_id: str, label: Label) -> None:
        if self._ask_learner is None:
            raise CellError(f'run {self.path.name} is in use; end it first')
        file, namespace = self.path / NAME, ''
        if file.is_file():
            namespace = str(read_run_file(self.path).cell.get('cell', {}).get('namespace', ''))
        assert label.time is not None  # of a step
        self._ask_learner(namespace, episode_id, label.outcome, label.time)

    def _at(self, number: int) -> _Episode:
        if not 0 <= number < len(self._episodes):
            raise CellError(f'there is no episode {number + 1}; there are {len(self._episodes)}')
        return self._episodes[number]

    def _evaluations(self) -> list[dict[str, Any]]:
        found = []
        for file in sorted((self.path / 'eval').glob(f'*/{REPORT}')):
            try:
                data = read_report(file.parent)
            except CellError as error:
                self.notes.append(str(error))
                continue
            shown = ('summary', 'world', 'seed', 'episodes', 'successes', 'interval')
            found.append({key: data[key] for key in shown} | {'name': file.parent.name})
        return found

    def _settings(self) -> dict[str, str]:
        if not (self.path / NAME).is_file():
            return {}
        try:
            options = read_run_file(self.path).options()
        except CellError as error:
            self.notes.append(str(error))
            return {}
        return {name: str(value)[:80] for name, value in options.items()}


@lru_cache(KEPT)
def recorded(bag: Path, episode_id: str) -> list[StepRecord]:
    """Return the steps of an episode as they were recorded, without labels."""
    steps = [step for step in Bag(bag).steps() if step.episode_id == episode_id]
    if not steps:
        raise CellError(f'bag {bag} cannot be read any more')
    return steps


def _row(bag: Path, labelled: list[StepRecord], steps: list[StepRecord]) -> dict[str, Any]:
    """Return the figures of an episode. steps: as recorded."""
    row = row_of(labelled)
    return {
        'bag': bag.name,
        'outcome': Outcome(row.outcome).name.lower(),
        'steps': row.steps,
        'images': len(steps),
        'human': row.human_steps,
        'alone': row.alone,
        'seconds': round((row.ended - row.began) * 1e-9, 1),
        'sources': ''.join(str(int(step.source)) for step in steps),
    }
