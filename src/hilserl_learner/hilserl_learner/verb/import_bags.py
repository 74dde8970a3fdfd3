"""Turn recordings (ros2 bag record) into demonstrations, for demos:=DIR.

`./cell import --policy FILE --out BUNDLE` imports the weights of a policy instead.
"""

import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from so101_node.errors import CellError

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

    from hilserl_core.contract.task import TaskSchema


def add_arguments(parser) -> None:
    """Declare the arguments."""
    from hilserl_core.contract.tasks import TASKS

    parser.add_argument(
        'bags',
        type=Path,
        nargs='+',
        metavar='BAG',
        help='a recording, or a directory of recordings',
    )
    parser.add_argument('--task', required=True, choices=sorted(TASKS))
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


def main(options) -> int:
    """Import every bag. Return 1 if one of them was refused."""
    from rich.console import Console
    from rich.progress import Progress

    from ..importing.importer import import_opened
    from ..importing.recording import opened

    console = Console()
    failed = 0
    out = (options.out or Path(f'{options.task}-demos')).absolute()
    for bag in [bag for given in options.bags for bag in bags_in(given.absolute())]:
        try:
            with opened(bag) as reader, Progress(console=console, transient=True) as bar:
                work = bar.add_task(bag.name)
                report = import_opened(
                    reader,
                    task_for(reader, options.task),
                    out,
                    options.unlabelled,
                    lambda done, total, bar=bar, work=work: bar.update(  # type: ignore[misc]
                        work, completed=done, total=total
                    ),
                )
        except CellError as error:  # import the other bags all the same
            print(f'cell import: {error}', file=sys.stderr)
            failed += 1
            continue
        report.write(out / f'{bag.name}.import.json')
        console.print(report.table())
        print(json.dumps({'bag': report.bag, 'steps': report.steps, 'out': str(out)}))
    return 1 if failed else 0


def bags_in(directory: Path) -> list[Path]:
    """The recordings in a directory, or the directory itself; CellError if there is none."""
    from hilserl_core.bags.episode_bag import find_bags

    bags = find_bags(directory)
    if not bags:
        raise CellError(
            f'there is no bag in {directory}: a bag is a directory with metadata.yaml (if it '
            'was cut off, run `ros2 bag reindex` on it first)'
        )
    return bags


def task_for(reader: 'AnyReader', task: str) -> 'TaskSchema':
    """The task for the size of a bag's images; CellError if the bag has no images and no steps."""
    from hilserl_core.contract.tasks import make_task
    from so101_description.model import model_hash

    from ..importing.recording import directory_of, image_size
    from ..importing.repair import recorded_task

    recorded = recorded_task(reader)
    camera = make_task(task, model_hash()).cameras[0].name
    size = image_size(reader, camera)
    if size is None and recorded is not None:
        size = recorded.cameras[0].source_width, recorded.cameras[0].source_height
    if size is None:
        raise CellError(f'bag {directory_of(reader)} has neither steps nor images of {camera}')
    return make_task(task, model_hash(), *size)
