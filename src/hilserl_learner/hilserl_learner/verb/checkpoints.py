"""`./cell checkpoints RUN`: a run's checkpoints with steps and success. Changes nothing."""

import argparse
from datetime import datetime
from pathlib import Path
import sys

from rich.console import Console
from rich.table import Table

from ..training.checkpoints import BEST, JUDGED, LATEST, Checkpoints


def listing(directory: Path) -> Table:
    """One row a checkpoint, oldest first."""
    checkpoints = Checkpoints(directory)
    links = {
        link: (directory / link).resolve().name
        for link in (LATEST, BEST)
        if (directory / link).exists()
    }
    table = Table(title=str(directory))
    for heading in ('checkpoint', 'steps', 'episodes', 'success', 'of', 'saved', ''):
        table.add_column(
            heading, no_wrap=True, justify='left' if heading in ('saved', '') else 'right'
        )
    for name, state in checkpoints.states().items():
        marks = ' '.join(link for link, target in links.items() if target == name)
        if not state:
            table.add_row(name, *[''] * 5, 'damaged')
            continue
        judged = state.get('judged', 0)
        saved = state.get('saved')
        table.add_row(
            name,
            f'{state["env_steps"]:,}',
            f'{state["episodes"]:,}',
            f'{state["success"]:.2f}' if judged else '-',
            str(judged),
            f'{datetime.fromtimestamp(saved):%d %b %H:%M}' if saved else '-',
            marks,
        )
    table.caption = (
        f'success: episodes that the policy ended well by itself, of the last ones; '
        f'best needs {JUDGED} of them'
    )
    return table


def main() -> int:
    """Print the table; 1 if there is no such run."""
    parser = argparse.ArgumentParser(prog='cell checkpoints', description=__doc__)
    parser.add_argument('run', help='name of the run, or its directory')
    parser.add_argument('--runs-dir', default='runs', help='where runs live')
    options = parser.parse_args()
    for run in (Path(options.runs_dir) / options.run, Path(options.run)):
        if (run / 'checkpoints').is_dir():
            Console().print(listing(run / 'checkpoints'))
            return 0
    print(
        f'cell checkpoints: there is no run {options.run} in {options.runs_dir}, nor a '
        'directory of that name with checkpoints',
        file=sys.stderr,
    )
    return 1


if __name__ == '__main__':
    sys.exit(main())
