"""Bags that were cut off, and bags that are damaged: their readable steps are kept.

No recorded byte is deleted or changed. The bag of a killed writer stays where it is. A finished
bag that became damaged is moved into the directory `damaged` beside the other bags.
"""

from itertools import count
import os
from pathlib import Path
import shutil

from rosbags.rosbag2 import WriterError

from so101_node.data_files import MAX_BYTES, yaml_value
from so101_node.durable import make_private, sync
from so101_node.errors import CellError
from so101_node.foreign_files import read_bytes
from so101_node.names import STEP

from ..contract.steps import StepRecord
from ..contract.task import TaskSchema
from .episode_bag import DAMAGED, METADATA, RECOVERED, EpisodeBag, contents
from .labels import sidecar
from .mcap import MAGIC


def recover_all(parent: Path) -> list[str]:
    """Recover every cut-off bag in `parent` into `<name>-recovered`. Return a sentence for each.

    The cut-off bag is not changed. It is skipped if its recovered bag exists.
    """
    workspace = parent / '.recovering'
    shutil.rmtree(workspace, ignore_errors=True)
    sentences = []
    for directory in sorted(path for path in parent.glob('*/') if not path.is_symlink()):
        recovered = parent / (directory.name + RECOVERED)
        if directory.name == DAMAGED or recovered.exists() or _was_completed(directory):
            continue
        schema, steps = read_cut_off(directory)
        if not steps or schema is None:
            sentences.append(f'bag {directory.name} was cut off before its first step')
            continue
        try:
            _write(workspace / recovered.name, schema, steps)
            os.rename(workspace / recovered.name, recovered)
        except (OSError, WriterError) as error:
            raise _unsaved(directory, 'was cut off', len(steps), error) from error
        sentences.append(
            f'bag {directory.name} was cut off: {len(steps)} steps recovered into {recovered.name}'
        )
    shutil.rmtree(workspace, ignore_errors=True)
    return sentences


def set_aside(directory: Path, reason: str) -> str:
    """Move a damaged bag and its labels into `damaged`. Return a sentence.

    The steps before the damage are copied into `<name>-recovered` first.
    """
    parent, expected = directory.parent, _recorded_steps(directory)
    schema, steps = read_cut_off(directory)
    workspace = parent / '.recovering'
    name = directory.name.removesuffix(RECOVERED) + RECOVERED
    try:
        shutil.rmtree(workspace, ignore_errors=True)
        if schema is not None and steps:
            _write(workspace / name, schema, steps)
        moved = _free(parent / DAMAGED, directory.name)
        make_private(moved.parent)
        os.rename(directory, moved)
        if sidecar(directory).exists():
            os.rename(sidecar(directory), sidecar(moved))
        if schema is not None and steps:
            os.rename(workspace / name, parent / name)
        sync(parent)
        shutil.rmtree(workspace, ignore_errors=True)
    except (OSError, WriterError) as error:
        raise _unsaved(directory, 'is damaged', len(steps), error) from error
    kept = f'{len(steps)} steps are kept in {name}' if steps else 'no step is readable'
    missing = (
        'an unknown number of steps is missing'
        if expected is None
        else f'{max(expected - len(steps), 0)} of {expected} steps are missing'
    )
    return f'bag {directory.name} is damaged ({reason}): {missing}, {kept}; it is now in {moved}'


def set_labels_aside(directory: Path, reason: str) -> str:
    """Move a bag's label file, which cannot be used, into `damaged`. Return a sentence."""
    file = sidecar(directory)
    try:
        moved = _free(directory.parent / DAMAGED, file.name)
        make_private(moved.parent)
        os.rename(file, moved)
    except OSError as error:
        raise CellError(f'label file {file} cannot be moved away: {error}') from error
    return f'{reason}; its labels are not used, and the file is now {moved}'


def _free(directory: Path, name: str) -> Path:
    paths = (directory / (name if i == 1 else f'{name}-{i}') for i in count(1))
    return next(path for path in paths if not path.exists())


def _write(directory: Path, schema: TaskSchema, steps: list[StepRecord]) -> None:
    bag = EpisodeBag(directory, schema, steps[0].stamp)
    for step in steps:
        bag.write(step)
    bag.close()


def _unsaved(directory: Path, what: str, steps: int, error: Exception) -> CellError:
    return CellError(
        f'bag {directory} {what}, and its {steps} steps cannot be saved: {error}; free some disk '
        'space and start again'
    )


def _recorded_steps(directory: Path) -> int | None:
    """How many steps a bag had when it was completed; None if its metadata does not tell."""
    try:
        data = yaml_value(read_bytes(directory / METADATA, 'metadata', MAX_BYTES))
        topics = data['rosbag2_bagfile_information']['topics_with_message_count']
        counts = [
            int(topic['message_count'])
            for topic in topics
            if str(topic['topic_metadata']['name']).endswith(f'/{STEP}')
        ]
        return sum(counts) if counts else None
    except (CellError, LookupError, TypeError, ValueError):
        return None


def _was_completed(directory: Path) -> bool:
    """Whether a bag was completed, and its end reached the disk (it may not in a power cut)."""
    metadata = directory / METADATA
    return (
        metadata.is_file()
        and metadata.stat().st_size > 0
        and all(map(_is_complete, directory.glob('*.mcap')))
    )


def _is_complete(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open('rb') as stream:
        stream.seek(max(0, file.stat().st_size - len(MAGIC)))
        return stream.read() == MAGIC


def read_cut_off(directory: Path) -> tuple[TaskSchema | None, list[StepRecord]]:
    """Task and readable steps of a bag that was not completed."""
    schema, steps = None, []
    try:
        for _, _, content in contents([directory]):
            if isinstance(content, TaskSchema):
                schema = content
            else:
                steps.append(content)
    except CellError:
        # the bag was cut off here: keep the steps before
        pass
    return schema, steps if schema else []
