"""Turn a LeRobot dataset into demonstrations: ./cell import --lerobot DIR --task T.

The dataset lies on this computer, has version 3.0 or 2.1, and is of an SO-100 or SO-101. What it
does not say is asked for: --units of its joints, --camera of the task.
"""

from argparse import ArgumentParser, Namespace
import json
from pathlib import Path

from so101_node.errors import CellError

from ..choices import OUTCOMES, UNITS, UNLABELLED


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('dataset', type=Path, metavar='DIR', help='the directory that has meta/')
    parser.add_argument('--task', required=True, help='name of the task, or path of its file')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='directory for the episodes, for demos:=DIR (default: TASK-demos)',
    )
    parser.add_argument(
        '--units',
        choices=UNITS,
        default='',
        help='of the joints, if the dataset does not say them; the gripper is 0 to 100, or rad',
    )
    parser.add_argument(
        '--calibration',
        default='',
        metavar='FILE',
        help='calibration of the follower, for normalised joints: a path or lerobot:ID',
    )
    parser.add_argument(
        '--camera',
        action='append',
        default=[],
        metavar='ROLE=FEATURE',
        help='images of a camera of the task, as in wrist=observation.images.gripper',
    )
    parser.add_argument(
        '--joints',
        default='',
        metavar='NAMES',
        help='order of the joints, with commas, if the dataset has no names',
    )
    parser.add_argument('--outcome', choices=OUTCOMES, default='', help='of episodes without one')
    parser.add_argument(
        '--unlabelled',
        choices=UNLABELLED,
        default=UNLABELLED[0],
        help='what to do with episodes without an outcome',
    )


def main(options: Namespace) -> None:
    """Import the dataset, with a progress bar; print the report and the next command."""
    from rich.console import Console
    from rich.progress import Progress

    from hilserl_core.contract.tasks import read_task

    from ..importing import Given, import_dataset

    cameras = []
    for word in options.camera:
        role, equals, feature = word.partition('=')
        if not equals:
            raise CellError(f'--camera {word[:80]}: write ROLE=FEATURE')
        cameras.append((role, feature))
    given = Given(
        options.units,
        options.calibration,
        tuple(cameras),
        tuple(name for name in options.joints.split(',') if name),
        options.outcome,
    )
    task = read_task(options.task)
    directory = options.dataset.absolute()
    out = (options.out or Path(f'{task.name}-demos')).absolute()
    console = Console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        work = bar.add_task(directory.name)
        report = import_dataset(
            directory,
            task,
            out,
            options.unlabelled,
            given,
            lambda done, total: bar.update(work, completed=done, total=total),
        )
    report.write(out / f'{directory.name}.import.json')
    console.print(report.table())
    print(json.dumps({'dataset': report.bag, 'steps': report.steps, 'out': str(out)}))
