"""Export a run or bags to a LeRobot dataset.

./cell export RUN --lerobot DIR               all episodes, video, degrees
./cell export RUN --lerobot DIR --what demonstrations --images png
./cell export BAG --lerobot DIR --units normalised --calibration lerobot:my_arm

The dataset has version 3.0. A raw recording is exported at the size and rate of its cameras.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
import sys

from so101_node.errors import CellError

from ..choices import DEGREES, EVERYTHING, EXPORTED_UNITS, IMAGES, NORMALISED, WHAT


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'paths', type=Path, nargs='+', metavar='RUN|BAG', help='runs, bags, directories of bags'
    )
    parser.add_argument(
        '--lerobot', type=Path, required=True, metavar='DIR', help='the new dataset'
    )
    parser.add_argument(
        '--repo-id', metavar='NAME', help='its name for LeRobot, USER/NAME (default: local/DIR)'
    )
    parser.add_argument(
        '--what',
        choices=tuple(WHAT),
        default=EVERYTHING,
        help='which steps. '
        + '; '.join(f'{word}: {text}' for word, text in WHAT.items())
        + f' (default: {EVERYTHING})',
    )
    parser.add_argument(
        '--units',
        choices=EXPORTED_UNITS,
        default=DEGREES,
        help='of the joints: degrees, or -100 to 100 of the recorded range; the gripper is 0 to '
        f'100 in both (default: {DEGREES})',
    )
    parser.add_argument(
        '--calibration',
        metavar='FILE',
        help='calibration of the follower, for --units normalised: a path or lerobot:ID',
    )
    parser.add_argument(
        '--images',
        choices=tuple(IMAGES),
        default='video',
        help='H.264, or PNG, which loses nothing (default: video)',
    )


def main(options: Namespace) -> None:
    """Export, with a progress bar; the last lines say what was written and how to read it."""
    from rich.console import Console
    from rich.progress import Progress

    from ..exporting import export
    from ..units import ranges_of, units_of

    if options.units == NORMALISED and not options.calibration:
        raise CellError(
            '--units normalised needs the recorded ranges of the follower; add --calibration FILE '
            'or --calibration lerobot:ID'
        )
    ranges = ranges_of(options.calibration) if options.units == NORMALISED else ()
    units = units_of(options.units, ranges)
    directory = options.lerobot.absolute()
    paths = [path.absolute() for path in options.paths]
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        work = bar.add_task('bags')
        found = export(
            paths,
            directory,
            units,
            options.what,
            IMAGES[options.images],
            lambda done, total: bar.update(work, completed=done, total=total),
        )
    outcomes = ', '.join(f'{count} {name}' for name, count in sorted(found.outcomes.items()))
    left_out = ''.join(f'; left out: {n} {why}' for why, n in sorted(found.left_out.items()))
    print(
        f'cell export: {found.episodes} episodes ({outcomes}), {found.rows:,} rows, '
        f'{found.human:,} by a human{left_out}'
    )
    for note in found.notes:
        print(note)
    if found.gaps:
        print(f'{found.gaps} steps are missing between rows: hilserl.step has their numbers')
    name = options.repo_id or f'local/{directory.name}'
    print(f'LeRobotDataset({name!r}, root={str(directory)!r}) reads it')
