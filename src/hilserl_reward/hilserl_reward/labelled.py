"""Labelled episodes: the images and states of a run's bags, and which of them show success.

A label says at which moment an episode succeeded. It comes from the label file beside the bag, or
it is the episode's end: the key of the operator, or the world. A person presses the key late, so
frames just before the moment have no label. An outcome that a success detector gave is no label:
a detector that learns from its own rewards would confirm its mistakes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hilserl_actor.bringup.options import OPERATOR, TOPIC, WORLD
from hilserl_core.bags.episode_bag import contents
from hilserl_core.bags.labels import Label, read_labels
from hilserl_core.contract.steps import Outcome, StepRecord, problem
from hilserl_core.contract.task import TaskSchema
from hilserl_learner.film.episodes import Recordings
from hilserl_learner.training.run_file import NAME, read_run_file
from so101_node.errors import CellError

from .defaults import MARGIN, REACTION

POSITIVE, NEGATIVE, UNLABELLED = 1, 0, -1  # of a frame
MAX_BYTES = 4_000_000_000  # of images in memory


@dataclass(frozen=True, eq=False)
class LabelledEpisode:
    """One episode. N frames, one for each step, the final observation included."""

    name: str  # of its bag
    images: tuple[npt.NDArray[np.uint8], ...]  # (N, H, W, 3) of each camera
    states: npt.NDArray[np.float32]  # (N, S)
    labels: npt.NDArray[np.int8]  # (N,): POSITIVE, NEGATIVE or UNLABELLED
    moment: int | None  # first frame of the success; None: a failure
    rate: float  # Hz

    @property
    def succeeded(self) -> bool:
        """Whether it is a success."""
        return self.moment is not None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class LabelledEpisodes:
    """Episodes of one task. left_out: reason -> number of episodes; notes: what is damaged."""

    schema: TaskSchema
    episodes: list[LabelledEpisode] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def add(self, name: str, steps: list[StepRecord], labels: list[Label], how: 'Moments') -> None:
        """Add the episode of a bag, or count why it is left out."""
        outcome, moment, last = how.of(steps, labels)
        if outcome in (Outcome.NONE, Outcome.DISCARDED):
            self._leave_out('discarded' if outcome else 'without an outcome')
            return
        if outcome not in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT):
            self._leave_out(f'with outcome {outcome}')
            return
        if how.by_detector and not labels:
            self._leave_out('judged by a success detector, without a label of a person')
            return
        steps = [step for step in steps if step.stamp <= last]
        if any(problem(step, self.schema) for step in steps):
            self._leave_out('with damaged steps')
            return
        stamps = np.array([step.stamp for step in steps])
        frames = np.full(len(steps), NEGATIVE, np.int8)
        first = None
        if outcome == Outcome.SUCCESS:
            first = min(int(np.searchsorted(stamps, moment)), len(steps) - 1)
            frames[stamps >= moment - int(how.margin * 1e9)] = UNLABELLED
            frames[first:] = POSITIVE
        self.episodes.append(
            LabelledEpisode(
                name,
                tuple(
                    np.stack([step.images[camera] for step in steps])
                    for camera in range(len(self.schema.cameras))
                ),
                np.stack([step.state for step in steps]),
                frames,
                first,
                self.schema.rate,
            )
        )


@dataclass(frozen=True)
class Moments:
    """How the moment of success is found.

    margin: s before it without a label. reaction: s by which an episode's end is later than its
    success. by_detector: whether a success detector gave the outcomes.
    """

    margin: float = MARGIN
    reaction: float = 0.0
    by_detector: bool = False

    def of(self, steps: list[StepRecord], labels: list[Label]) -> tuple[int, int, int]:
        """Return outcome, moment of the outcome and last stamp that counts, ns."""
        start, end = steps[0].stamp, steps[-1].stamp
        timed = [(e.time, e) for e in labels if e.time is not None and start <= e.time <= end]
        if timed:
            moment, label = min(timed, key=lambda pair: pair[0])
            # what follows a failure may be anything; what follows a success shows success
            return label.outcome, moment, end if label.outcome == Outcome.SUCCESS else moment
        untimed = [label for label in labels if label.time is None]
        outcome = untimed[-1].outcome if untimed else steps[-1].outcome
        return outcome, end - int(self.reaction * 1e9), end


def read_labelled(
    runs: list[str],
    runs_dir: Path,
    margin: float = MARGIN,
    reaction: float | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> LabelledEpisodes:
    """Read the labelled episodes of runs, of directories of bags or of bags.

    reaction: as in Moments; None: REACTION in a run whose episodes an operator marked, else 0.
    progress: gets the number of bags read so far, and of all. CellError if a run is missing, the
    runs are of different tasks, or the images do not fit into memory.
    """
    sources = [Recordings(run, runs_dir) for run in runs]
    total, done, size = sum(len(source.bags) for source in sources), 0, 0
    found: LabelledEpisodes | None = None
    notes = [note for source in sources for note in source.notes]
    for source in sources:
        how = _moments(source.directory, margin, reaction)
        for bag in source.bags:
            done += 1
            try:
                schema, episodes = _read(bag)
                labels = read_labels(bag)
            except CellError as error:
                notes.append(f'{error}; it is left out')
                continue
            finally:
                progress(done, total)
            found = found or LabelledEpisodes(schema)
            if lines := found.schema.differences(schema):
                raise CellError(f'bag {bag} is of another task; ' + '; '.join(lines))
            for name, steps in episodes.items():
                size += sum(image.nbytes for step in steps for image in step.images)
                if size > MAX_BYTES:
                    raise CellError(
                        f'the images of these runs need more than {MAX_BYTES / 1e9:.0f} GB of '
                        'memory; name fewer runs'
                    )
                found.add(bag.name if len(episodes) == 1 else name, steps, labels, how)
    if found is None:
        raise CellError(f'no bag of {", ".join(runs)} can be read: {notes[0]}')
    found.notes = notes
    return found


def _read(bag: Path) -> tuple[TaskSchema, dict[str, list[StepRecord]]]:
    """Return the task of a bag and the steps of each episode; CellError where it is damaged."""
    schema: TaskSchema | None = None
    episodes: dict[str, list[StepRecord]] = {}
    for _, _, content in contents([bag]):
        if isinstance(content, StepRecord):
            episodes.setdefault(content.episode_id, []).append(content)
        else:
            schema = content
    if schema is None:
        raise CellError(f'bag {bag} has no task')
    return schema, episodes


def _moments(directory: Path, margin: float, reaction: float | None) -> Moments:
    """Return how the moments are found in a run, from the reward source in its run.yaml."""
    source = ''
    if (directory / NAME).is_file():
        cell: dict[str, Any] = read_run_file(directory).cell
        # reward:= as it was given; without it, what the actor was told
        source = _option(cell, 'cell', 'reward') or _option(cell, 'actor', 'reward_source')
    by_detector = source not in ('', WORLD, OPERATOR, TOPIC)
    if reaction is None:
        reaction = REACTION if source == OPERATOR or by_detector else 0.0
    return Moments(margin, reaction, by_detector)


def _option(cell: dict[str, Any], node: str, option: str) -> str:
    values = cell.get(node)
    return str(values.get(option, '')) if isinstance(values, dict) else ''
