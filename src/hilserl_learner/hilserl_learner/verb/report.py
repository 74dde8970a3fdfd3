"""Write one page about a run: curves, images, configuration.

The page needs no other file.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

PAGE = 'report.html'


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('run', help='name of the run, or its directory')
    parser.add_argument('--runs-dir', default='runs', help='directory of all runs')
    parser.add_argument('--out', type=Path, help=f'file to write (default: RUN/{PAGE})')


def main(options: Namespace) -> None:
    """Write the page."""
    import sys

    from so101_node.errors import CellError

    from ..report.page import page
    from ..report.run_record import read_run

    path = Path(options.runs_dir) / options.run
    run = read_run(path if path.is_dir() else Path(options.run))
    for note in run.notes:
        print(f'cell report: {note}', file=sys.stderr)
    out = options.out or run.path / PAGE
    try:
        out.write_text(page(run), encoding='utf-8')
    except OSError as error:
        raise CellError(str(error)) from error
    count = len(run.evaluations)
    print(f'{out}: {len(run.episodes):,} episodes, {count} evaluation{"s" * (count != 1)}')
