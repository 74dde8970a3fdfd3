"""Labels: outcomes that are given after recording, in a file beside the bag.

`BAG.labels.json` holds the SHA-256 of the labelled data, so that a label is never applied to
other data. The bag itself is not changed.
"""

from dataclasses import dataclass, replace
import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from so101_node.data_files import read_data
from so101_node.durable import replace_file, writing
from so101_node.errors import CellError

from ..contract.steps import Outcome, StepRecord

FORMAT: Literal['hilserl-labels-1'] = 'hilserl-labels-1'
OUTCOMES = {'success': Outcome.SUCCESS, 'failure': Outcome.FAILURE, 'discarded': Outcome.DISCARDED}


@dataclass(frozen=True)
class Label:
    """An outcome at a time (ns). Without a time: of every episode that has no other label."""

    outcome: Outcome
    time: int | None = None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    outcome: Literal['success', 'failure', 'discarded']
    time_ns: int | None


class _LabelFile(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal['hilserl-labels-1']
    bag: str
    sha256: str
    labels: list[_Entry]


def content_hash(bag: Path) -> str:
    """SHA-256, hex, of a bag's recorded data."""
    digest = hashlib.sha256()
    for file in sorted(p for p in bag.iterdir() if p.is_file() and p.suffix != '.yaml'):
        digest.update(f'{file.name}\0{file.stat().st_size}\0'.encode())
        with file.open('rb') as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sidecar(bag: Path) -> Path:
    """The label file of a bag."""
    return bag.parent / f'{bag.name}.labels.json'


def read_labels(bag: Path) -> list[Label]:
    """Read a bag's labels; CellError if the file is damaged or belongs to other data."""
    file = sidecar(bag)
    if not file.exists():
        return []
    data = read_data(file, _LabelFile, 'label file', 'correct or remove it')
    labels = [Label(OUTCOMES[entry.outcome], entry.time_ns) for entry in data.labels]
    if data.sha256 != content_hash(bag):
        raise CellError(
            f'label file {file} was written for other data than {bag} now holds; remove it '
            'and label again'
        )
    return labels


def add_label(bag: Path, label: Label, within: tuple[int, int] | None = None) -> list[Label]:
    """Add a label to a bag's label file, or replace one of the same time. Return all labels.

    within: first and last time, ns, of an episode whose other labels are replaced, too. CellError
    if the file cannot be written.
    """
    first, last = within or (1, 0)
    labels = [
        known
        for known in read_labels(bag)
        if known.time != label.time and not (known.time and first <= known.time <= last)
    ]
    labels.append(label)
    text = json.dumps(
        {
            'format': FORMAT,
            'bag': bag.name,
            'sha256': content_hash(bag),
            'labels': [
                {'time_ns': known.time, 'outcome': known.outcome.name.lower()} for known in labels
            ],
        },
        indent=1,
    )
    with writing(sidecar(bag)):
        replace_file(sidecar(bag), text + '\n')
    return labels


def outcome_of(word: str) -> Outcome:
    """The outcome of that name; CellError if there is none."""
    if word not in OUTCOMES:
        raise CellError(f'{word!r} is no outcome; use one of {", ".join(OUTCOMES)}')
    return OUTCOMES[word]


def apply(labels: list[Label], steps: list[StepRecord]) -> list[StepRecord]:
    """Return the episode with its label, if it has one.

    The first label whose time is within the episode ends the episode there. A label without a
    time applies to the episode's end.
    """
    within = sorted(
        (
            label
            for label in labels
            if label.time is not None and steps[0].stamp <= label.time <= steps[-1].stamp
        ),
        key=lambda x: x.time or 0,
    )
    if within:
        end = within[0].time or 0
        kept = [step for step in steps if step.stamp <= end]
        if len(kept) < len(steps):
            after = steps[len(kept)]
            steps = [*kept, as_final(after)]
        return labelled(steps, within[0].outcome)
    untimed = [label for label in labels if label.time is None]
    return labelled(steps, untimed[-1].outcome) if untimed else steps


def as_final(step: StepRecord) -> StepRecord:
    """Make a step an episode's final observation: remove its action and what followed."""
    return replace(
        step,
        action=step.action[:0],
        source=0,
        reward=None,
        terminated=False,
        truncated=False,
        last=True,
        policy_version=0,
        sigma=0.0,
    )


def labelled(steps: list[StepRecord], outcome: Outcome) -> list[StepRecord]:
    """Give an episode an outcome: reward 1 for the last action of a success, 0 for the others."""
    if not steps[-1].last:  # the episode was cut off: its last step becomes the final observation
        steps = [*steps[:-1], as_final(steps[-1])]
    last_action = len(steps) - 2
    return [
        replace(step, outcome=outcome)
        if step.last
        else replace(
            step,
            reward=float(i == last_action and outcome == Outcome.SUCCESS),
            terminated=i == last_action,
            truncated=False,
        )
        for i, step in enumerate(steps)
    ]
