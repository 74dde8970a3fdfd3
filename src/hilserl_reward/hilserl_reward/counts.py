"""What labelled episodes are there, and what is missing for a detector, in sentences."""

from dataclasses import dataclass

import numpy as np

from so101_node.errors import CellError

from .labelled import NEGATIVE, POSITIVE, LabelledEpisodes

WANTED = 20  # successes, and failures
WANTED_CLOSED = 10  # of the failures: those that look most like a success
GRIPPER = 'gripper.position'
TOLERANCE = 0.05  # rad


@dataclass(frozen=True)
class Counts:
    """Numbers of episodes and of frames. closed: failures with a gripper as in a success.

    closed is None for a task whose state has no gripper.
    """

    successes: int
    failures: int
    closed: int | None
    positive_frames: int
    negative_frames: int
    unlabelled_frames: int

    def missing(self) -> list[str]:
        """Return a sentence for each thing that is missing."""
        return [
            f'{number} {what}; {wanted} are wanted: {how}'
            for number, what, wanted, how in (
                (
                    self.successes,
                    'successes',
                    WANTED,
                    './cell record reward:=operator, or ./cell label',
                ),
                (self.failures, 'failures', WANTED, './cell record purpose:=negatives'),
                (
                    WANTED_CLOSED if self.closed is None else self.closed,
                    'failures with the gripper as in a success',
                    WANTED_CLOSED,
                    './cell record purpose:=negatives',
                ),
            )
            if number < wanted
        ]

    def require_both(self) -> None:
        """CellError if only one outcome is there, from which no detector can be trained."""
        for number, word, other, how in (
            (self.successes, 'success', 'failure', './cell record'),
            (self.failures, 'failure', 'success', './cell record purpose:=negatives'),
        ):
            if number < 2:
                raise CellError(
                    f'{number} of the labelled episodes {"is" if number == 1 else "are"} a '
                    f'{word}, at least 2 are needed beside each {other}; record some with {how}, '
                    'or label episodes with ./cell label'
                )


def count(found: LabelledEpisodes) -> Counts:
    """Count what is there."""
    frames = np.concatenate([each.labels for each in found.episodes] or [np.zeros(0, np.int8)])
    failures = [each for each in found.episodes if not each.succeeded]
    return Counts(
        len(found.episodes) - len(failures),
        len(failures),
        _closed(found),
        int((frames == POSITIVE).sum()),
        int((frames == NEGATIVE).sum()),
        int((frames < 0).sum()),
    )


def _closed(found: LabelledEpisodes) -> int | None:
    """Count the failures in which the gripper was closed as far as at a moment of success."""
    if GRIPPER not in found.schema.state_names:
        return None
    at = found.schema.state_names.index(GRIPPER)
    angles = [e.states[e.moment :, at] for e in found.episodes if e.moment is not None]
    if not angles:
        return 0
    limit = float(np.median(np.concatenate(angles))) + TOLERANCE
    return sum(bool((e.states[:, at] <= limit).any()) for e in found.episodes if not e.succeeded)
