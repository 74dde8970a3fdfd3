"""Exports bags to a LeRobot dataset: `./cell export`. The whole dataset comes about, or none."""

from collections.abc import Callable
from pathlib import Path

from hilserl_core.bags.episode_bag import Bag, by_time, find_bags, require
from hilserl_core.bags.labels import apply, read_labels
from hilserl_core.contract.kinematics_check import kinematics_of
from hilserl_core.contract.steps import Outcome, StepRecord
from hilserl_core.contract.task import TaskSchema
from hilserl_learner.importing.recording import opened
from hilserl_learner.importing.repair import has_steps
from so101_description.kinematics import Kinematics
from so101_node.errors import CellError

from . import episode_rows as rows
from . import layout
from .exported import Exported
from .raw_rows import export_raw
from .units import Units
from .writer import DatasetWriter

Progress = Callable[[int, int], None]  # bags done, of how many


def bags_of(paths: list[Path]) -> list[Path]:
    """Return the bags of runs, bags and directories of bags; CellError names what has none."""
    found: list[Path] = []
    for path in paths:
        bags = find_bags(path / 'bags') if (path / 'bags').is_dir() else find_bags(path)
        if not bags:
            raise CellError(
                f'there is no bag in {path}: give a run, a bag or a directory of bags (a bag is a '
                'directory with metadata.yaml)'
            )
        found += [bag for bag in bags if bag not in found]
    return found


def export(
    paths: list[Path],
    directory: Path,
    units: Units,
    choice: str,
    images: str,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Export bags of one task, or raw recordings, to a new dataset.

    choice: of choices.WHAT; images: `video` or `image`. CellError if a bag is damaged or of
    another task, if nothing is left, or if the dataset cannot be written.
    """
    bags = bags_of(paths)
    raw = [bag for bag in bags if _is_raw(bag)]
    if raw and len(raw) < len(bags):
        raise CellError(
            f'bag {raw[0]} is a raw recording and others have steps; export them to two datasets'
        )
    if raw:
        return export_raw(raw, directory, units, images, Exported(directory), progress)
    return _export_steps(by_time(bags), directory, units, choice, images, progress)


def _is_raw(bag: Path) -> bool:
    if not any(bag.glob('*.mcap')):
        return True
    try:
        Bag(bag)
        return False
    except CellError:
        with opened(bag) as reader:  # damaged ones are refused here, or where they are read
            return not has_steps(reader)


def _export_steps(
    bags: list[Path], directory: Path, units: Units, choice: str, images: str, progress: Progress
) -> Exported:
    schema = Bag(bags[0]).schema
    if schema.rate != round(schema.rate):
        raise CellError(
            f'task {schema.name} has a rate of {schema.rate:g} Hz, but LeRobot has whole frames a '
            'second only'
        )
    found = Exported(directory)
    rows.joint_places(schema)  # refuses a task whose targets are not recorded
    kinematics = kinematics_of(schema)  # once: it takes as long as some episodes
    features = rows.features_of(schema, units, images)
    with DatasetWriter(directory, features, round(schema.rate)) as writer:
        writer.more['hilserl'] = {'task': schema.name, 'schema': schema.to_json()}
        for done, bag in enumerate(bags):
            progress(done, len(bags))
            for steps in _episodes(bag, schema):
                _add(writer, steps, schema, kinematics, units, choice, found)
        progress(len(bags), len(bags))
    return found


def _episodes(bag: Path, schema: TaskSchema) -> list[list[StepRecord]]:
    opened_bag = Bag(bag)
    require(bag, schema, opened_bag.schema)
    episodes: dict[str, list[StepRecord]] = {}
    for step in opened_bag.steps():
        episodes.setdefault(step.episode_id, []).append(step)
    labels = read_labels(bag)
    return [apply(labels, sorted(steps, key=lambda s: s.index)) for steps in episodes.values()]


def _add(
    writer: DatasetWriter,
    steps: list[StepRecord],
    schema: TaskSchema,
    kinematics: Kinematics,
    units: Units,
    choice: str,
    found: Exported,
) -> None:
    taken = list(rows.stretches(steps, choice))
    if not taken:
        discarded = steps[-1].outcome == Outcome.DISCARDED
        found.left_out['discarded' if discarded else f'not of {choice}'] += 1
    for stretch in taken:
        columns = rows.columns_of(stretch, schema, kinematics, units)
        number = len(writer.episodes)
        writer.finals.append(rows.final_of(stretch, number))
        writer.add_episode(
            columns,
            dict(rows.images_of(stretch, schema)),
            schema.instruction or schema.name,
            rows.metadata_of(stretch),
        )
        found.episodes += 1
        found.rows += stretch.length
        found.human += int(columns[layout.INTERVENTION].sum())
        found.outcomes[stretch.outcome.name.lower()] += 1
        span = stretch.final.index - stretch.steps[0].index
        found.gaps += span - stretch.length
