"""Turn recordings (ros2 bag record) into demonstrations, for demos:=DIR.

`./cell import --policy FILE --out BUNDLE` imports the weights of a policy instead.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from so101_node.errors import CellError, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rosbags.highlevel import AnyReader

    from hilserl_core.contract.task import TaskSchema
    from hilserl_core.contract.task_file import TaskFile

    from ..importing.summary import Report


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'bags',
        type=Path,
        nargs='+',
        metavar='BAG',
        help='a recording, or a directory of recordings',
    )
    parser.add_argument('--task', required=True, help='name of the task, or path of its file')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='directory for the episodes, for demos:=DIR (default: TASK-demos)',
    )
    parser.add_argument(
        '--unlabelled',
        choices=('refuse', 'exclude', 'include'),
        default='refuse',
        help='what to do with episodes without an outcome',
    )


def main(options: Namespace) -> int:
    """Import every bag. Return 1 if one of them was refused.

    A bag whose episodes were all discarded is left out, which is no failure.
    """
    from rich.console import Console

    from hilserl_core.contract.tasks import read_task

    from ..importing.importer import NothingToImport

    console = Console()
    failed: list[str] = []
    imported = 0
    task = read_task(options.task)
    out = (options.out or Path(f'{task.name}-demos')).absolute()
    for bag in _every_bag(options.bags, failed):
        try:
            report = import_one(bag, task, out, options.unlabelled, console)
            report.write(out / f'{bag.name}.import.json')
        except NothingToImport as reason:  # no failure: its episodes are not wanted
            print(f'cell import: left out: {printable(reason)}')
            continue
        except CellError as error:  # import the other bags all the same
            _report_failure(failed, bag, error)
            continue
        imported += 1
        console.print(report.table())
        print(json.dumps({'bag': report.bag, 'steps': report.steps, 'out': str(out)}))
    if failed and imported + len(failed) > 1:
        print(
            f'cell import: {imported} of {imported + len(failed)} bags are imported; not '
            + printable(', '.join(failed[:20]))
            + (f' and {len(failed) - 20} more' if len(failed) > 20 else ''),
            file=sys.stderr,
        )
    return 1 if failed else 0


def _every_bag(given: list[Path], failed: list[str]) -> Iterator[Path]:
    """The bags in these directories. What is no bag is reported and added to `failed`."""
    for directory in given:
        try:
            bags, incomplete = bags_in(directory.absolute())
        except (CellError, OSError, ValueError) as error:
            _report_failure(failed, directory, error)
            continue
        yield from bags
        for bag in incomplete:
            _report_failure(
                failed,
                bag,
                CellError(
                    f'bag {bag} has no metadata.yaml; if it was cut off, run `ros2 bag reindex` '
                    'on it first'
                ),
            )


def _report_failure(failed: list[str], bag: Path, error: Exception) -> None:
    failed.append(bag.name[:100] or str(bag))
    print(f'cell import: {printable(error)}', file=sys.stderr)


def import_one(
    bag: Path, task: 'TaskFile', out: Path, unlabelled: str, console: 'Console'
) -> 'Report':
    """Import one bag, with a progress bar."""
    from rich.progress import Progress

    from ..importing.importer import import_opened
    from ..importing.recording import opened

    with opened(bag) as reader, Progress(console=console, transient=True) as bar:
        work = bar.add_task(bag.name)
        return import_opened(
            reader,
            task_for(reader, task),
            out,
            unlabelled,
            lambda done, total: bar.update(work, completed=done, total=total),
        )


def bags_in(directory: Path) -> tuple[list[Path], list[Path]]:
    """The recordings in a directory, or the directory itself, and those without metadata.

    CellError if there is none.
    """
    from hilserl_core.bags.episode_bag import METADATA, RECOVERED, find_bags

    bags = find_bags(directory)
    incomplete = (
        []
        if bags == [directory]
        else sorted(
            path
            for path in directory.glob('*/')
            if any(file.suffix in ('.mcap', '.db3') for file in path.glob('*.*'))
            and not (path / METADATA).exists()
            and not (directory / (path.name + RECOVERED)).exists()
        )
    )
    if not bags and not incomplete:
        raise CellError(
            f'there is no bag in {directory}: a bag is a directory with metadata.yaml (if it '
            'was cut off, run `ros2 bag reindex` on it first)'
        )
    return bags, incomplete


def task_for(reader: 'AnyReader', task: 'TaskFile') -> 'TaskSchema':
    """The task for the size of a bag's images; CellError if the bag has no images and no steps."""
    from hilserl_core.contract.task import require_camera_size
    from hilserl_core.contract.tasks import schema_of
    from so101_description.model import model_hash
    from so101_node.names import camera_of

    from ..importing.recording import directory_of, image_size
    from ..importing.repair import recorded_task

    recorded = recorded_task(reader)
    camera = camera_of(next(iter(task.cameras)))
    size = image_size(reader, camera)
    if size is None and recorded is not None:
        size = recorded.cameras[0].source_width, recorded.cameras[0].source_height
    if size is None:
        raise CellError(f'bag {directory_of(reader)} has neither steps nor images of {camera}')
    schema = schema_of(task, model_hash(), *size)
    for found in schema.cameras:
        if size := image_size(reader, found.name):
            require_camera_size(found, *size)
    return schema
