"""List a run's checkpoints with steps and success. This changes no file."""

from argparse import ArgumentParser, Namespace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from so101_node.errors import CellError

if TYPE_CHECKING:
    from rich.table import Table


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('run', help='name of the run, or its directory')
    parser.add_argument('--runs-dir', default='runs', help='directory of all runs')


def main(options: Namespace) -> None:
    """Print the table."""
    from rich.console import Console

    for run in (Path(options.runs_dir) / options.run, Path(options.run)):
        if (run / 'checkpoints').is_dir():
            Console().print(listing(run / 'checkpoints'))
            return
    raise CellError(
        f'there is no run {options.run} in {options.runs_dir}, nor a directory of that name '
        'with checkpoints'
    )


def listing(directory: Path) -> 'Table':
    """A table with one row for each checkpoint, oldest first."""
    from rich.table import Table

    from hilserl_core.policy.checkpoint_names import BEST, LATEST

    from ..training.checkpoints import MIN_EPISODES, Checkpoints

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
        table.add_row(
            name,
            f'{state.env_steps:,}',
            f'{state.episodes:,}',
            f'{state.success:.2f}' if state.success_episodes else '-',
            str(state.success_episodes),
            f'{datetime.fromtimestamp(state.saved):%d %b %H:%M}',
            marks,
        )
    table.caption = (
        f'success: share of recent episodes in which the policy succeeded without help; '
        f'best needs {MIN_EPISODES} of them'
    )
    return table
