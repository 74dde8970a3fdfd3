"""The measured rows of success detectors, docs/results/reward.json, and their tables."""

from pathlib import Path
from typing import Any

import msgspec

from so101_node.data_files import read_data
from so101_node.durable import replace_file, writing
from so101_node.errors import CellError


class Detector(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One detector on the test episodes of one world. command: what made the row."""

    features: str  # scratch, encoder, or the name of a pretrained network
    task: str
    trained_in: str  # worlds of the training episodes
    world: str  # of the test episodes
    train_episodes: int
    test_episodes: int
    precision: float | None
    recall: float | None
    false_positives_per_100_episodes: float
    false_positives_per_hour: float
    delay_steps_p50: float | None
    unsure_share: float
    area_under_roc: float | None
    ms_per_image: float
    command: str


class WrongLabels(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the report says of a detector whose labels are wrong on purpose."""

    labels: str
    caught: bool
    says: str
    command: str


class Training(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A policy's training with the reward of the world or of a detector.

    successes, episodes: of the last evaluation, by the world.
    """

    task: str
    reward: str
    seed: int
    successes: int
    episodes: int
    robot_minutes: float
    command: str


class Rows(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    detectors: list[Detector] = []
    wrong_labels: list[WrongLabels] = []
    training: list[Training] = []


_KEYS = {
    'detectors': ('features', 'task', 'trained_in', 'world'),
    'wrong_labels': ('labels',),
    'training': ('task', 'reward', 'seed'),
}


def read(file: Path) -> Rows:
    """Read the file; it may be missing."""
    return read_data(file, Rows, 'results', 'correct or remove it') if file.exists() else Rows()


def add(file: Path, **found: list[Any]) -> None:
    """Add rows of detectors, wrong_labels or training; a row of the same thing is replaced."""
    rows = read(file)
    for name, new in found.items():
        keys = {_key(name, row) for row in new}
        kept = [row for row in getattr(rows, name) if _key(name, row) not in keys]
        setattr(rows, name, sorted([*kept, *new], key=lambda row: _key(name, row)))
    text = msgspec.json.format(msgspec.json.encode(rows), indent=1).decode()
    with writing(file):
        replace_file(file, text + '\n')


def _key(name: str, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, field) for field in _KEYS[name])


def detector_table(rows: Rows) -> str:
    """Return the table of the detectors."""
    lines = [
        '| features | trained in | measured in | recall | precision | false rewards in 100 '
        'episodes | delay, steps | not sure | ms an image |',
        '|---|---|---|---|---|---|---|---|---|',
    ]
    lines += [
        f'| {row.features} | {row.trained_in} ({row.train_episodes}) | {row.world} '
        f'({row.test_episodes}) | {_number(row.recall, ".2f")} | {_number(row.precision, ".2f")} '
        f'| {row.false_positives_per_100_episodes:.0f} | {_number(row.delay_steps_p50, "+.0f")} '
        f'| {row.unsure_share:.1%} | {row.ms_per_image:.1f} |'
        for row in rows.detectors
    ]
    return '\n'.join(lines)


def wrong_label_table(rows: Rows) -> str:
    """Return the table of the wrong labels."""
    lines = ['| labels | caught | what the report says |', '|---|---|---|']
    lines += [
        f'| {row.labels} | {"yes" if row.caught else "no"} | {row.says.partition(" (")[0]} |'
        for row in rows.wrong_labels
    ]
    return '\n'.join(lines)


def training_table(rows: Rows) -> str:
    """Return the table of the trainings, or a sentence if there is none."""
    if not rows.training:
        return 'No such run is in `docs/results/reward.json` yet.'
    lines = ['| task | reward of | seed | robot minutes | successes |', '|---|---|---|---|---|']
    lines += [
        f'| {row.task} | {row.reward} | {row.seed} | {row.robot_minutes:.1f} | '
        f'{row.successes} of {row.episodes} |'
        for row in rows.training
    ]
    return '\n'.join(lines)


def page(text: str, rows: Rows) -> str:
    """Return a page with the tables of these rows; CellError if it has no place for one of them.

    A table is between `<!-- NAME -->` and `<!-- end -->`.
    """
    for name, table in (
        ('detectors', detector_table),
        ('wrong labels', wrong_label_table),
        ('training', training_table),
    ):
        before, begin, rest = text.partition(f'<!-- {name} -->\n')
        _, end, after = rest.partition('<!-- end -->')
        if not (begin and end):
            raise CellError(f'the page has no place for the table {name}')
        text = before + begin + table(rows) + '\n' + end + after
    return text


def _number(value: float | None, form: str) -> str:
    return '-' if value is None else format(value, form)
